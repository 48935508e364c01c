//! Names of hosts: as requests bear them, and as rules name them.

use super::text::Regex;
use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Longest name (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

/// A host's name or address in one form: in small letters, without port and final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// From a `Host` field or an authority (RFC 9110, section 7.2): with or without a port. `None` if it is neither a
    /// name of letters, digits, `-` and `_` nor an address.
    #[must_use]
    pub fn of(authority: &str) -> Option<Self> {
        let (name, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                (
                    address,
                    after.strip_prefix(':').or(after.is_empty().then_some("")),
                )
            }
            None => match authority.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (authority, Some("")),
            },
        };
        // An empty port is one that is not said (RFC 3986, section 3.2.3).
        let port = port?;
        // A number may have a sign where it is parsed, a port has none.
        if !port.bytes().all(|byte| byte.is_ascii_digit())
            || !port.is_empty() && port.parse::<u16>().is_err()
        {
            return None;
        }
        Self::name(name)
    }

    /// From a name without a port.
    fn name(name: &str) -> Option<Self> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Some(Self(address.to_string()));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut labels = name.split('.');
        let good = name.len() <= LONGEST
            && labels.all(|label| !label.is_empty() && label.bytes().all(known));
        good.then(|| Self(name.to_ascii_lowercase()))
    }

    /// The names of the hosts that it is below of, from the nearest one on.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.0.as_str();
        // An address is below nothing.
        if rest.parse::<IpAddr>().is_ok() {
            rest = "";
        }
        std::iter::from_fn(move || {
            (_, rest) = rest.split_once('.')?;
            Some(rest)
        })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tables of hosts are asked by a part of a name, without a copy of it.
impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(Host),
    /// `*.`: those below this one, of any depth, and not the host itself.
    Below(Host),
    /// Those that the expression finds something in.
    Regex(Regex),
}

impl HostPattern {
    /// From what stands in `Host(…)`: a name, an address, or `*.` and a name.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) => Host::of(parent).map(Self::Below),
            // An IPv6 address without brackets is no authority, and nothing else either.
            None => Host::of(text).or_else(|| Host::name(text)).map(Self::Exact),
        }
    }

    /// Is it one of these hosts?
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(name) => host == name,
            Self::Below(parent) => {
                let mut parents = host.parents();
                parents.any(|above| above == parent.0)
            }
            Self::Regex(regex) => regex.finds(host.as_str()),
        }
    }
}
