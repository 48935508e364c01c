//! The name that a client asks for, before TLS is spoken with it (RFC 6066, section 3).

use super::prefixed::Prefixed;
use lb_routes::rule::Host;
use rustls::server::Acceptor;
use std::io;
use tokio::io::AsyncRead;

/// Longest ClientHello that is read: one record of TLS.
const LONGEST: usize = 5 + (1 << 14);

/// Reads ahead until the ClientHello is whole; its name, if it has one.
///
/// # Errors
/// The connection ends, or what comes is no ClientHello.
pub(super) async fn name<S>(stream: &mut Prefixed<S>) -> io::Result<Option<Host>>
where
    S: AsyncRead + Unpin,
{
    loop {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut stream.ahead())?;
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().and_then(Host::of);
                return Ok(name);
            }
            Ok(None) => stream.read_ahead(LONGEST).await?,
            Err((error, _)) => return Err(io::Error::other(error)),
        }
    }
}
