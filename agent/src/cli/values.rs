//! Values of options that are more than one word of a list.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// For how long the datapath takes new connections without an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// [`Lease::USUAL`] where somebody else could take them then.
    Auto,
    /// For ever.
    Never,
    /// So long.
    For(Duration),
}

impl Lease {
    /// What `auto` means where the stock mesh could take over.
    pub const USUAL: Duration = Duration::from_secs(300);
    /// Shorter, and a busy machine would lose connections; the agent renews it every second.
    const SHORTEST: u64 = 5;
}

impl FromStr for Lease {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            seconds => match seconds.parse() {
                Ok(seconds) if seconds >= Self::SHORTEST => {
                    Ok(Self::For(Duration::from_secs(seconds)))
                }
                _ => Err(format!(
                    "it is auto, never, or a number of seconds from {} up",
                    Self::SHORTEST
                )),
            },
        }
    }
}

/// Ports that services may publish by label; none: no port at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelPorts(pub Option<RangeInclusive<u16>>);

impl FromStr for LabelPorts {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == "off" {
            return Ok(Self(None));
        }
        let port = |word: &str| word.parse().ok().filter(|port: &u16| *port != 0);
        word.split_once('-')
            .and_then(|(first, last)| Some(port(first)?..=port(last)?))
            .filter(|range| !range.is_empty())
            .map(|range| Self(Some(range)))
            .ok_or("it is off, or the first and the last port, like 1024-65535")
    }
}

impl fmt::Display for LabelPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("off"),
            Some(ports) => write!(f, "{}-{}", ports.start(), ports.end()),
        }
    }
}
