//! Parses an explain request as people type it: `203.0.113.7 alpha:8080/udp`.

use crate::model::node::Node;
use crate::model::snapshot::{Proto, Snapshot};
use crate::report::build::hostname;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

/// `ADDRESS[:PORT]`: who would send the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientQuery {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port, if that is known.
    pub port: Option<u16>,
}

/// `NODE:PORT[/tcp|udp]`: what it would be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendQuery {
    /// The node.
    pub node: Place,
    /// The published port.
    pub port: u16,
    /// TCP unless said otherwise.
    pub proto: Proto,
}

/// A node, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By an address.
    Address(Ipv4Addr),
    /// By its host name.
    Name(String),
}

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who would send the packet.
    pub client: ClientQuery,
    /// What it would be sent to.
    pub frontend: SocketAddrV4,
    /// TCP or UDP.
    pub proto: Proto,
}

impl Question {
    /// The published port, as the datapath knows it.
    #[must_use]
    pub fn port(&self) -> Port {
        let proto = match self.proto {
            Proto::Udp => UDP,
            Proto::Tcp | Proto::Sctp => TCP,
        };
        Port::new(Be16::new(self.frontend.port()), proto)
    }
}

/// Why a question can't be answered, in one message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Neither an address nor an address and a port.
    #[error(
        "{0} is no client: give its IPv4 address, and its port if you know it, as in 203.0.113.7 or 203.0.113.7:40000"
    )]
    Client(String),
    /// Not a node and a port.
    #[error(
        "{0} is no published port of a node: give address or host name and port, as in 192.0.2.1:8080 or alpha:8080/udp"
    )]
    Frontend(String),
    /// Port 0, or more than there are.
    #[error("{0} is no port: ports go from 1 to 65535")]
    Port(String),
    /// Neither TCP nor UDP.
    #[error("{0} is not served: end with /tcp or /udp, or with neither for TCP")]
    Proto(String),
    /// IPv6.
    #[error("{0} is an IPv6 address, which is not served: give an IPv4 address")]
    Ipv6(String),
    /// Not a node of this Swarm.
    #[error("no node of the Swarm with a known address is called {name}: {}", known(.nodes))]
    Node {
        /// What was asked for.
        name: String,
        /// Those that there are.
        nodes: Vec<String>,
    },
}

fn known(nodes: &[String]) -> String {
    const FEW: usize = 8;
    if nodes.is_empty() {
        return "give an address".to_owned();
    }
    let few: Vec<&str> = nodes.iter().take(FEW).map(String::as_str).collect();
    match nodes.len().saturating_sub(FEW) {
        0 => format!("there are {}", few.join(", ")),
        more => format!("there are {} and {more} more", few.join(", ")),
    }
}

impl FromStr for ClientQuery {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        if text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6())
            || text.parse::<SocketAddr>().is_ok_and(|at| at.is_ipv6())
        {
            return Err(QuestionError::Ipv6(text.to_owned()));
        }
        let (address, port) = match text.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (text, None),
        };
        let address = address
            .parse()
            .map_err(|_| QuestionError::Client(text.to_owned()))?;
        let port = port.map(number).transpose()?;
        Ok(Self { address, port })
    }
}

impl FromStr for FrontendQuery {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let (place, proto) = match text.split_once('/') {
            None => (text, Proto::Tcp),
            Some((place, "tcp")) => (place, Proto::Tcp),
            Some((place, "udp")) => (place, Proto::Udp),
            Some((_, other)) => return Err(QuestionError::Proto(other.to_owned())),
        };
        if place.parse::<SocketAddr>().is_ok_and(|at| at.is_ipv6()) {
            return Err(QuestionError::Ipv6(place.to_owned()));
        }
        let wrong = || QuestionError::Frontend(text.to_owned());
        let (node, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let node = match node.parse() {
            Ok(address) => Place::Address(address),
            // A host name has letters; what has none is an address cut short.
            Err(_) if !node.contains(char::is_alphabetic) || node.contains(':') => {
                return Err(wrong());
            }
            Err(_) => Place::Name(node.to_owned()),
        };
        let port = number(port)?;
        Ok(Self { node, port, proto })
    }
}

impl FrontendQuery {
    /// Looks the node up, where it was given by name. This node comes first among several of one name.
    ///
    /// # Errors
    /// When there is no such node, or its address is not known.
    pub fn resolve(
        self,
        client: ClientQuery,
        snapshot: &Snapshot,
        this: &Node,
    ) -> Result<Question, QuestionError> {
        let address = match self.node {
            Place::Address(address) => address,
            Place::Name(name) => find(snapshot, this, &name)?,
        };
        Ok(Question {
            client,
            frontend: SocketAddrV4::new(address, self.port),
            proto: self.proto,
        })
    }
}

fn find(snapshot: &Snapshot, this: &Node, name: &str) -> Result<Ipv4Addr, QuestionError> {
    let mut reached: Vec<(bool, String, Ipv4Addr)> = snapshot
        .nodes
        .iter()
        .filter_map(|(id, node)| {
            let own = *id == this.id;
            let address = if own {
                this.address.or(node.address)
            } else {
                node.address
            };
            Some((!own, hostname(snapshot, id), address?))
        })
        .collect();
    reached.sort();
    match reached.iter().find(|(_, hostname, _)| hostname == name) {
        Some((_, _, address)) => Ok(*address),
        None => Err(QuestionError::Node {
            name: name.to_owned(),
            nodes: reached.into_iter().map(|(_, name, _)| name).collect(),
        }),
    }
}

fn number(text: &str) -> Result<u16, QuestionError> {
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(QuestionError::Port(text.to_owned())),
    }
}

impl fmt::Display for ClientQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl fmt::Display for FrontendQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Place::Address(address) => write!(f, "{address}")?,
            Place::Name(name) => f.write_str(name)?,
        }
        write!(f, ":{}/{}", self.port, self.proto.as_str())
    }
}

#[cfg(test)]
mod tests;
