//! The PROXY protocol, versions 1 and 2: a balancer before the router says whose connection it passes on
//! (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>).

use super::prefixed::Prefixed;
use ppp::{HeaderResult, PartialResult as _, v1, v2};
use std::io;
use std::net::IpAddr;
use tokio::io::AsyncRead;

/// Longest header that is read: 536 bytes hold every header of version 1, and the addresses and some fields of version 2.
const LONGEST: usize = 536;

/// Shortest header: `PROXY UNKNOWN` and the end of the line.
const SHORTEST: usize = 15;

/// Longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// Why a connection of a balancer is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The connection ended, or the header is longer than any.
    #[error("no PROXY header: {0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("the connection does not begin with a PROXY header")]
    Invalid,
}

/// Reads the header off a connection; the client's address, if it says one.
///
/// # Errors
/// [`ProxyError`]: a balancer in whose name anybody could speak is not believed.
pub(super) async fn read<S>(stream: &mut Prefixed<S>) -> Result<Option<IpAddr>, ProxyError>
where
    S: AsyncRead + Unpin,
{
    loop {
        stream.read_ahead(LONGEST).await?;
        if !is_worth_reading(stream.ahead()) {
            continue;
        }
        let header = HeaderResult::parse(stream.ahead());
        if header.is_incomplete() {
            continue;
        }
        let (length, client) = match header {
            HeaderResult::V1(Ok(header)) => (header.header.len(), of_version_1(&header)),
            HeaderResult::V2(Ok(header)) => (header.len(), of_version_2(&header)),
            HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => {
                return Err(ProxyError::Invalid);
            }
        };
        stream.drop_ahead(length);
        return Ok(client);
    }
}

/// Has `ppp` enough to judge by? It takes the first bytes of a header, and a line of version 1 without its end, for
/// something else.
fn is_worth_reading(bytes: &[u8]) -> bool {
    let line = bytes.starts_with(b"PROXY ") && bytes.len() < LONGEST_LINE;
    bytes.len() >= SHORTEST && (!line || bytes.contains(&b'\n'))
}

fn of_version_1(header: &v1::Header<'_>) -> Option<IpAddr> {
    match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Unknown => None,
    }
}

/// `None` for a connection of the balancer itself, by which it sees whether the router is there (LOCAL).
fn of_version_2(header: &v2::Header<'_>) -> Option<IpAddr> {
    if header.command == v2::Command::Local {
        return None;
    }
    match header.addresses {
        v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
        v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ProxyError, read};
    use crate::downstream::prefixed::Prefixed;
    use std::net::IpAddr;
    use tokio::io::AsyncReadExt as _;

    /// The client's address and what follows the header, with the bytes coming in pieces of so many.
    async fn of(bytes: &[u8], piece: usize) -> Result<(Option<IpAddr>, Vec<u8>), ProxyError> {
        let (mut sender, receiver) = tokio::io::duplex(piece);
        let bytes = bytes.to_vec();
        let sending = tokio::spawn(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut sender, &bytes).await;
        });
        let mut stream = Prefixed::new(receiver);
        let client = read(&mut stream).await?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        sending.await.unwrap();
        Ok((client, rest))
    }

    #[tokio::test]
    async fn both_versions_say_who_the_client_is() {
        let version_1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\nGET /".as_slice();
        let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        version_2.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        version_2.extend([0; 16]);
        version_2.extend([4, 0xd2, 0, 80]);
        version_2.extend(b"GET /");
        for piece in [1, 7, 4096] {
            let read = of(version_1, piece).await.unwrap();
            assert_eq!(
                read,
                (Some("192.0.2.7".parse().unwrap()), b"GET /".to_vec())
            );
            let read = of(&version_2, piece).await.unwrap();
            assert_eq!(
                read,
                (Some("2001:db8::7".parse().unwrap()), b"GET /".to_vec())
            );
        }
    }

    #[tokio::test]
    async fn a_balancer_that_speaks_for_itself_names_nobody() {
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET /";
        assert_eq!(of(local, 9).await.unwrap(), (None, b"GET /".to_vec()));
        let unknown = b"PROXY UNKNOWN\r\nGET /";
        assert_eq!(of(unknown, 9).await.unwrap(), (None, b"GET /".to_vec()));
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 600]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".as_slice(),
            b"PROXY TCP4 x y 1 2\r\n",
            b"PROXY TC",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
            &long,
        ] {
            assert!(of(bytes, 4096).await.is_err(), "{bytes:?}");
        }
    }
}
