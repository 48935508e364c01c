//! Ports to present somebody under whose own port does not do.

use crate::schedule::mixed;
use lb_abi::{Be16, Be32};

/// Containers of a node are presented under its address, by ports above those that Linux gives to the node's
/// own sockets (`net.ipv4.ip_local_port_range` ends at 60999).
const FIRST: u16 = 61_000;
/// Ports from [`FIRST`] on, to 65535.
const PORTS: u16 = 4_536;
/// Clients are presented under their own address, by ports below those that their sockets have by
/// themselves: a client that is a proxy has many connections at once, and each of these ports only for one of
/// them at a task.
const CLIENTS_FIRST: u16 = 1_024;
/// Ports from [`CLIENTS_FIRST`] on, to 32767.
const CLIENTS: u16 = 31_744;
/// Under so many of [`PORTS`] a container of the node may be presented: whatever it does, others find a port.
const SHARE: u16 = 1_024;
/// From one try to the next; shares no factor with [`CLIENTS`] nor with [`SHARE`].
const STRIDE: u16 = 1_009;

/// Ports that are tried before giving up.
pub(crate) const TRIES: u16 = 8;

/// The ports to try, one after the other.
pub(crate) struct Ports {
    /// Address of the container whose share is tried; 0: all ports of clients are.
    address: u32,
    of: u16,
    at: u16,
}

impl Ports {
    /// For a client, from all. `start` should differ between those who ask.
    #[inline(always)]
    pub(crate) const fn all(start: u16) -> Self {
        Self {
            address: 0,
            of: CLIENTS,
            at: start % CLIENTS,
        }
    }

    /// From the share of a container at `address`, which sends from `port`. Shares are drawn from all
    /// ports by a hash: two have about a quarter in common, and tries of one lie all over the other.
    #[inline(always)]
    pub(crate) const fn of(address: Be32, port: Be16) -> Self {
        Self {
            address: address.get(),
            of: SHARE,
            at: port.get() % SHARE,
        }
    }

    /// The next one.
    #[inline(always)]
    pub(crate) const fn next(&mut self) -> Be16 {
        let port = if self.address == 0 {
            CLIENTS_FIRST + self.at
        } else {
            let place = (self.address as u64) << 16 | self.at as u64;
            FIRST + low((mixed(place) >> 32) as u32 % PORTS as u32)
        };
        self.at = low((self.at as u32 + STRIDE as u32) % self.of as u32);
        Be16::new(port)
    }
}

/// The lower half.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "that is what is asked for")]
pub(crate) const fn low(value: u32) -> u16 {
    value as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn tried(mut ports: Ports, tries: u16) -> Vec<u16> {
        (0..tries).map(|_| ports.next().get()).collect()
    }

    #[test]
    fn all_ports_are_tried_and_none_that_linux_gives_to_sockets_of_its_own() {
        let all: BTreeSet<u16> = (0..CLIENTS)
            .flat_map(|start| tried(Ports::all(start), TRIES))
            .collect();
        let expected: Vec<u16> = (1_024..=32_767).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn no_port_is_tried_twice(start: u16) {
            let tried = tried(Ports::all(start), 8);
            prop_assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), 8, "{:?}", tried);
        }

        #[test]
        fn a_containers_share_is_about_a_quarter_of_all_ports(address in 1u32.., port: u16) {
            let ports = Ports::of(Be32::new(address), Be16::new(port));
            let share: BTreeSet<u16> = tried(ports, 1024).into_iter().collect();
            prop_assert!(share.iter().all(|port| *port > 60_999));
            // So many of the 4536 are drawn by 1024 draws, some of them twice.
            prop_assert!((850..=1024).contains(&share.len()), "{}", share.len());
        }
    }
}
