//! Waiting: long for what must come, so that no test fails because its machine is busy, and shortly for what must
//! not, which would come at once.

use agent::kernel::ipvs::ruleset::counts;
use lb_netlink::socket::NetlinkSocket;
use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// For what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// For what must not come.
pub(crate) const MOMENT: Duration = Duration::from_millis(300);

/// The sender of the next datagram that arrives within the limit, and its bytes.
pub(crate) fn receive(socket: &UdpSocket, limit: Duration) -> Option<(SocketAddr, Vec<u8>)> {
    socket.set_read_timeout(Some(limit)).unwrap();
    let mut buffer = [0; 2000];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((from, buffer[..length].to_vec()))
}

/// A datagram arrives.
pub(crate) fn hears(socket: &UdpSocket) -> bool {
    receive(socket, PATIENCE).is_some()
}

/// No datagram arrives.
pub(crate) fn hears_nothing(socket: &UdpSocket) -> bool {
    receive(socket, MOMENT).is_none()
}

/// A TCP connection is established.
pub(crate) fn connects(to: &SocketAddr) -> bool {
    TcpStream::connect_timeout(to, PATIENCE).is_ok()
}

/// No TCP connection is established.
pub(crate) fn connects_not(to: &SocketAddr) -> bool {
    TcpStream::connect_timeout(to, MOMENT).is_err()
}

/// Waits until a value is as expected: packets of another thread can still be on their encap.
pub(crate) fn becomes<T: Debug>(mut value: impl FnMut() -> T, expected: impl Fn(&T) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = value();
        if expected(&now) {
            return;
        }
        assert!(Instant::now() < end, "it is still {now:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The rules count so many packets under a name, now or soon, and no more.
pub(crate) fn assert_count(netlink: &mut NetlinkSocket, name: &str, expected: u64) {
    becomes(
        || (name.to_owned(), counts(netlink).unwrap()[name]),
        |(_, count)| *count == expected,
    );
}
