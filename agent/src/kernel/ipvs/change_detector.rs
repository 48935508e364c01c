//! Detects changes of the kernel's objects at less cost than reading all of them.

use super::IpvsError;
use super::routes::Monitor;
use lb_netlink::nft::{self, Generation};
use lb_netlink::socket::NetlinkSocket;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

/// All virtual services and destinations of this network namespace, as text.
const SERVERS: &str = "/proc/net/ip_vs";

/// Fingerprints of the kernel's objects as of the last full observation.
#[derive(Debug)]
pub(super) struct ChangeDetector {
    /// Generation of the ruleset.
    rules: Option<Generation>,
    /// Hash of the virtual services and destinations.
    services: Option<u64>,
    /// Notifications about devices, routes and rules of routing.
    monitor: Monitor,
}

impl ChangeDetector {
    /// A detector that reports a change until the first observation.
    pub(super) fn new() -> Result<Self, IpvsError> {
        Ok(Self {
            rules: None,
            services: None,
            monitor: Monitor::open().map_err(IpvsError::NoMonitor)?,
        })
    }

    /// Begins an observation: whatever changes from here on is reported.
    pub(super) fn begin(&mut self, rules: &mut NetlinkSocket) -> Result<(), IpvsError> {
        self.monitor.changed();
        self.rules = nft::generation(rules)?;
        self.services = services();
        Ok(())
    }

    /// Whether the fingerprints are those of the last observation. Flags of virtual services and some settings of
    /// devices change without a trace in them.
    pub(super) fn is_unchanged(&mut self, rules: &mut NetlinkSocket) -> Result<bool, IpvsError> {
        let same = self.rules.is_some()
            && self.services.is_some()
            && !self.monitor.changed()
            && nft::generation(rules)? == self.rules
            && services() == self.services;
        if !same {
            // Until the next observation: the monitor reports a change once.
            self.rules = None;
        }
        Ok(same)
    }

    /// Applies swarmlb's own changes to the ruleset without reporting them; changes by others are still reported.
    pub(super) fn apply_unreported(
        &mut self,
        rules: &mut NetlinkSocket,
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

fn services() -> Option<u64> {
    Some(sign(&std::fs::read_to_string(SERVERS).ok()?))
}

/// Hash of `/proc/net/ip_vs` without its numbers of connections (`ip_vs_info_seq_show`).
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
