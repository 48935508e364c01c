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
    let mut acceptor = Acceptor::default();
    let mut known = 0;
    loop {
        let mut new = stream.ahead().get(known..).unwrap_or_default();
        known += new.len();
        // It takes 4,096 bytes at a time.
        while !new.is_empty() && acceptor.read_tls(&mut new)? > 0 {}
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

#[cfg(test)]
mod tests {
    use super::{Prefixed, name};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

    /// A stream that gives so many bytes at a time at most.
    struct Pieces {
        rest: Vec<u8>,
        size: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let size = self.size.min(self.rest.len()).min(buffer.remaining());
            let piece: Vec<u8> = self.rest.drain(..size).collect();
            buffer.put_slice(&piece);
            Poll::Ready(Ok(()))
        }
    }

    /// A ClientHello for `a.test` with a list of protocols (ALPN) of about so many bytes.
    fn hello(protocols: usize) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let protocol = |number: usize| format!("{number:0>100}").into_bytes();
        config.alpn_protocols = (0..protocols / 100).map(protocol).collect();
        let name = ServerName::try_from("a.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut hello).unwrap();
        }
        assert!(hello.len() > protocols);
        hello
    }

    #[tokio::test]
    async fn the_name_is_read_of_a_hello_of_any_length_that_comes_in_any_pieces() {
        for protocols in [0, 5_000, 15_000] {
            let hello = hello(protocols);
            for size in [1, 4096, hello.len()] {
                let rest = hello.clone();
                let mut stream = Prefixed::new(Pieces { rest, size });
                let name = name(&mut stream).await.unwrap();
                let name = name.as_ref().map(|name| name.as_str());
                assert_eq!(name, Some("a.test"), "{protocols} in pieces of {size}");
                let mut again = Vec::new();
                stream.read_to_end(&mut again).await.unwrap();
                assert_eq!(again, hello);
            }
        }
    }

    #[tokio::test]
    async fn what_is_longer_than_a_record_or_no_hello_is_not_read() {
        for rest in [hello(20_000), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
            let size = rest.len();
            let mut stream = Prefixed::new(Pieces { rest, size });
            assert!(name(&mut stream).await.is_err());
        }
    }
}
