//! The values of labels that are lists, and how much of any label is read and told again.
//!
//! A label is as long as its author likes, up to megabytes. Each is read once, from begin to
//! end; what is kept of it and what is said about it is bounded.

use super::{NETWORKS, PORTS};
use crate::model::port::{Proto, PublishMode, PublishedPort};
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Of a list's entries that make no sense, so many are told.
const TOLD: usize = 5;

/// What of a list is not taken.
#[derive(Debug, Default)]
pub(super) struct Rest<'a> {
    /// Entries that make no sense: the first of them…
    bad: Vec<&'a str>,
    /// …and how many more there are.
    more: usize,
    /// Entries beyond what one service may have.
    pub(super) over: usize,
}

impl<'a> Rest<'a> {
    fn bad(&mut self, entry: &'a str) {
        if self.bad.len() < TOLD {
            self.bad.push(entry);
        } else {
            self.more += 1;
        }
    }

    /// The entries that make no sense, for people; none if all do.
    pub(super) fn quoted(&self) -> Option<String> {
        if self.bad.is_empty() {
            return None;
        }
        let bad: Vec<String> = self.bad.iter().map(|entry| short(entry, 40)).collect();
        let more = match self.more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("`{}`{more}", bad.join("`, `")))
    }
}

/// `10.0.0.0/8, 192.0.2.7`: the IPv4 networks. IPv6 ones are nobody's: nothing is served over
/// IPv6.
pub(super) fn networks(value: &str) -> (Vec<Ipv4Net>, Rest<'_>) {
    let (mut networks, mut rest) = (Vec::new(), Rest::default());
    for entry in value.split(',').map(str::trim) {
        if networks.len() == NETWORKS {
            rest.over += 1;
            continue;
        }
        let network: Option<IpNet> = match entry.parse() {
            Ok(network) => Some(network),
            Err(_) => entry.parse::<IpAddr>().ok().map(IpNet::from),
        };
        match network {
            Some(IpNet::V4(network)) => networks.push(network.trunc()),
            Some(IpNet::V6(_)) => {}
            None => rest.bad(entry),
        }
    }
    (Ipv4Net::aggregate(&networks), rest)
}

/// `8080:80,53:5353/udp`: the ports, each once.
pub(super) fn published(value: &str) -> (Vec<PublishedPort>, Rest<'_>) {
    let (mut ports, mut rest) = (Vec::new(), Rest::default());
    let mut seen = BTreeSet::new();
    for entry in value.split(',').map(str::trim) {
        match port(entry) {
            None => rest.bad(entry),
            Some(port) if seen.contains(&(port.published, port.proto)) => {}
            Some(_) if ports.len() == PORTS => rest.over += 1,
            Some(port) => {
                seen.insert((port.published, port.proto));
                ports.push(port);
            }
        }
    }
    (ports, rest)
}

/// `8080:80`, `53:5353/udp`.
fn port(entry: &str) -> Option<PublishedPort> {
    let (ports, proto) = match entry.split_once('/') {
        None => (entry, Proto::Tcp),
        Some((ports, "tcp")) => (ports, Proto::Tcp),
        Some((ports, "udp")) => (ports, Proto::Udp),
        Some(_) => return None,
    };
    let (published, target) = ports.split_once(':')?;
    let port = |word: &str| word.trim().parse().ok().filter(|port: &u16| *port != 0);
    Some(PublishedPort {
        proto,
        published: port(published)?,
        target: port(target)?,
        mode: PublishMode::Ingress,
    })
}

/// At most so many bytes of `text`, and a mark where there are more.
pub(crate) fn short(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let begin = text.get(..text.floor_char_boundary(bytes));
    format!("{}…", begin.unwrap_or_default())
}
