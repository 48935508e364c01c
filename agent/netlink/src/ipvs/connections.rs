//! The kernel's table of connections, which it tells as text only.

use super::error::Error;
use super::id::Protocol;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Connections of this thread's network namespace: `/proc/net` belongs to the process's first thread.
const TABLE: &str = "/proc/thread-self/net/ip_vs_conn";

/// A connection that IPVS knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The client. Port 0: it is remembered by a persistent server.
    pub client: SocketAddr,
    /// What the client speaks to. For a mark that remembers a client, the mark is in place of
    /// the address.
    pub target: SocketAddr,
    /// The destination.
    pub dest: SocketAddr,
    /// As the kernel writes it: `ESTABLISHED`, `UDP`, `NONE` and so on.
    pub state: String,
    /// Seconds until the connection expires without further packets.
    pub expires: u32,
}

impl Connection {
    /// A line of the table. `None` for its heading, and for what this is not one of.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let protocol = match words.next()? {
            // For a mark that remembers a client.
            "IP" => Protocol(0),
            "TCP" => Protocol::TCP,
            "UDP" => Protocol::UDP,
            "SCTP" => Protocol::SCTP,
            other => Protocol(other.strip_prefix("IP_")?.parse().ok()?),
        };
        Some(Self {
            protocol,
            client: socket_address(words.next()?, words.next()?)?,
            target: socket_address(words.next()?, words.next()?)?,
            dest: socket_address(words.next()?, words.next()?)?,
            state: words.next()?.to_owned(),
            // What a persistence engine has to say may follow.
            expires: words.next()?.parse().ok()?,
        })
    }
}

/// Hexadecimal both: `0A010203 01BB`, or an IPv6 address of eight groups.
fn socket_address(address: &str, port: &str) -> Option<SocketAddr> {
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
        // The table of servers has brackets around them, this one has none yet.
        _ => {
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            IpAddr::V6(bare.parse::<Ipv6Addr>().ok()?)
        }
    };
    Some(SocketAddr::new(
        address,
        u16::from_str_radix(port, 16).ok()?,
    ))
}

/// Connections as they are read: there may be millions. Lines that are no connections are
/// passed over; a failure to read ends it.
#[derive(Debug)]
pub struct Connections<R> {
    /// Of bytes: persistence engines write what clients sent. `None` after a failure.
    lines: Option<io::Split<R>>,
}

impl<R: BufRead> Connections<R> {
    /// From the text of the table.
    pub fn new(text: R) -> Self {
        Self {
            lines: Some(text.split(b'\n')),
        }
    }
}

impl<R: BufRead> Iterator for Connections<R> {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.as_mut()?.next()? {
                Ok(line) => {
                    let found = Connection::parse(&String::from_utf8_lossy(&line));
                    if found.is_some() {
                        return found.map(Ok);
                    }
                }
                Err(error) => {
                    self.lines = None;
                    return Some(Err(Error::Connections(error)));
                }
            }
        }
    }
}

/// The connections of the calling thread's network namespace. `take` of it what is wanted: the
/// kernel goes through its table as it is read.
///
/// # Errors
/// When the kernel has no IPVS, or not loaded it yet (see [`Ipvs::open`](super::Ipvs::open)).
pub fn connections() -> Result<Connections<BufReader<File>>, Error> {
    match File::open(TABLE) {
        Ok(file) => Ok(Connections::new(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Absent),
        Err(error) => Err(Error::Connections(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.1, with a persistent server, IPv6, and the persistence engine of SIP.
    const TEXT: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 2001:0db8:0000:0000:0000:0000:0000:0001 9944 2001:0db8:0000:0000:0000:0000:0000:0001 01BB 2001:0db8:0009:0000:0000:0000:0000:0001 01BB TIME_WAIT       114
TCP 0A010203 AFA4 0A010203 0051 0A090007 0051 ESTABLISHED     895
TCP 0A010200 0000 0A010203 0051 0A090007 0051 ASSURED         589
";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_table_is_read_but_for_its_heading() {
        let read: Vec<_> = Connections::new(TEXT.as_bytes())
            .map(Result::unwrap)
            .collect();
        let connection = |client, target, dest, state: &str, expires| Connection {
            protocol: Protocol::TCP,
            client: at(client),
            target: at(target),
            dest: at(dest),
            state: state.to_owned(),
            expires,
        };
        assert_eq!(
            read,
            [
                connection(
                    "[2001:db8::1]:39236",
                    "[2001:db8::1]:443",
                    "[2001:db8:9::1]:443",
                    "TIME_WAIT",
                    114
                ),
                connection(
                    "10.1.2.3:44964",
                    "10.1.2.3:81",
                    "10.9.0.7:81",
                    "ESTABLISHED",
                    895
                ),
                connection("10.1.2.0:0", "10.1.2.3:81", "10.9.0.7:81", "ASSURED", 589),
            ]
        );
    }

    #[test]
    fn a_tunnel_to_ipv6_has_ends_of_two_families() {
        let line =
            "UDP 0A010203 AFA4 0A010203 0035 2001:0db8:0009:0000:0000:0000:0000:0001 0035 UDP 300";
        let read = Connection::parse(line).unwrap();
        assert_eq!(read.protocol, Protocol::UDP);
        assert_eq!(read.client, at("10.1.2.3:44964"));
        assert_eq!(read.dest, at("[2001:db8:9::1]:53"));
    }

    #[test]
    fn brackets_and_what_follows_do_no_harm() {
        let line = "UDP [2001:db8::1] 13C4 [2001:db8::2] 13C4 [2001:db8::3] 13C4 UDP 60 sip 7@x";
        let read = Connection::parse(line).unwrap();
        assert_eq!(read.target, at("[2001:db8::2]:5060"));
        assert_eq!(read.expires, 60);
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_connection() {
        let mut text =
            b"UDP 0A010203 13C4 0A010204 13C4 0A010205 13C4 UDP 60 sip \xff\xfe\n".to_vec();
        text.extend_from_slice(TEXT.as_bytes());
        let read = Connections::new(text.as_slice());
        assert_eq!(read.filter(Result::is_ok).count(), 4);
    }

    #[test]
    fn a_failure_to_read_is_told_and_ends_the_list() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut read = Connections::new(BufReader::new(Broken));
        assert!(matches!(read.next(), Some(Err(Error::Connections(_)))));
        assert!(read.next().is_none());
    }

    #[test]
    fn what_is_no_connection_is_passed_over() {
        for line in ["", "TCP", "TCP 0A01 0000 x", "GRE a b c d e f g 1"] {
            assert_eq!(Connection::parse(line), None, "{line}");
        }
    }
}
