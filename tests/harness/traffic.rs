//! Traffic of clients, as futures for any namespace.
//!
//! Each call has an end in time. Nothing is retried: a refused connection or a
//! lost datagram is an error that a test wants to see.

pub mod grpc;
pub mod http;
pub mod http2;
pub mod kept;
pub mod load;
pub mod pace;
mod report;
pub mod udp;

/// The first port that Linux gives to sockets that ask for none (`net.ipv4.ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32_768;

/// Fails a test that names a client's port which the kernel may have given to another test's socket. Port
/// 0, for which the kernel chooses, is no such port.
///
/// # Panics
/// When `port` is one of the ephemeral ports.
pub fn assert_reserved(port: u16) {
    assert!(
        port < FIRST_EPHEMERAL,
        "port {port} may be another socket's: a test names ports below {FIRST_EPHEMERAL}"
    );
}
