//! Signs that nothing changed, which cost less than a look at everything.

use super::IpvsError;
use lb_netlink::nft::{self, Generation};
use lb_netlink::socket::Wire;
use lb_netlink::ways::News;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

/// All virtual and real servers of this network namespace, as text.
const SERVERS: &str = "/proc/net/ip_vs";

/// What there was when everything was looked at.
#[derive(Debug)]
pub(super) struct Signs {
    /// Number of the rules.
    rules: Option<Generation>,
    /// Of the servers.
    servers: Option<u64>,
    /// Of devices, routes and rules of routing.
    news: News,
}

impl Signs {
    /// Nothing was looked at yet.
    pub(super) fn new() -> Result<Self, IpvsError> {
        Ok(Self {
            rules: None,
            servers: None,
            news: News::listen().map_err(IpvsError::NoNews)?,
        })
    }

    /// Everything is looked at now: what changes from here on is a change.
    pub(super) fn begin(&mut self, rules: &mut Wire) -> Result<(), IpvsError> {
        self.news.heard();
        self.rules = nft::generation(rules)?;
        self.servers = servers();
        Ok(())
    }

    /// Is all of it as it was then? There are changes that leave no sign: flags of virtual servers, some
    /// settings of devices.
    pub(super) fn same(&mut self, rules: &mut Wire) -> Result<bool, IpvsError> {
        let same = self.rules.is_some()
            && self.servers.is_some()
            && !self.news.heard()
            && nft::generation(rules)? == self.rules
            && servers() == self.servers;
        if !same {
            // Until the next look: news are told once.
            self.rules = None;
        }
        Ok(same)
    }

    /// Makes changes of rules that are none: whatever else changed meanwhile still is one.
    pub(super) fn unnoticed(
        &mut self,
        rules: &mut Wire,
        changes: &[nft::Change],
    ) -> Result<(), IpvsError> {
        let Some(known) = self.rules else {
            return Ok(nft::apply(rules, changes)?);
        };
        let before = nft::generation(rules)?;
        nft::apply(rules, changes)?;
        if before == self.rules && nft::generation(rules)? == Some(known.next()) {
            self.rules = Some(known.next());
        }
        Ok(())
    }
}

fn servers() -> Option<u64> {
    Some(sign(&std::fs::read_to_string(SERVERS).ok()?))
}

/// Of all that the kernel tells, without how many connections there are (`ip_vs_info_seq_show`).
fn sign(told: &str) -> u64 {
    /// `-> ADDRESS:PORT FORWARD WEIGHT`.
    const LASTING: usize = 4;
    let mut sign = DefaultHasher::new();
    for line in told.lines() {
        if line.trim_start().starts_with("->") {
            let words = line.split_whitespace().take(LASTING);
            words.for_each(|word| word.hash(&mut sign));
        } else {
            line.hash(&mut sign);
        }
    }
    sign.finish()
}

#[cfg(test)]
mod tests {
    use super::sign;

    const TOLD: &str = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A4D0001:1F90 rr persistent 300 FFFFFFFF
  -> AC120005:0050      Masq    1      0          0
FWM  13000001 rr
  -> AC120005:0050      Masq    1      0          0
";

    #[test]
    fn connections_come_and_go_without_a_sign() {
        let busy = TOLD.replace("1      0          0", "1      12345      678  ");
        assert_eq!(sign(TOLD), sign(&busy));
    }

    #[test]
    fn what_is_served_and_how_is_a_sign() {
        for (there, instead) in [
            ("1F90", "1F91"),
            ("rr", "wlc"),
            (" persistent 300 FFFFFFFF", ""),
            ("Masq    1 ", "Masq    0 "),
            ("Masq", "Tunnel"),
            ("AC120005:0050", "AC120006:0050"),
            ("  -> AC120005:0050      Masq    1      0          0\n", ""),
        ] {
            let other = TOLD.replacen(there, instead, 1);
            assert_ne!(sign(TOLD), sign(&other), "{there}");
        }
    }
}
