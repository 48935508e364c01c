//! Ports to present somebody under whose own port does not do.

use lb_abi::Be16;

/// The first of them: above those that Linux gives to its own sockets
/// (`net.ipv4.ip_local_port_range` ends at 60999).
const FIRST: u16 = 61_000;
/// How many there are.
const PORTS: u16 = 4_536;
/// From one try to the next; shares no factor with [`PORTS`].
const STRIDE: u16 = 1_009;

/// How many are tried before giving up.
pub(crate) const TRIES: u16 = 8;

/// The port to try at `attempt`. `start` should differ between those who ask.
#[inline(always)]
pub(crate) const fn port(start: u16, attempt: u16) -> Be16 {
    let step = (start % PORTS) as u32 + attempt as u32 * STRIDE as u32;
    Be16::new(FIRST + low(step % PORTS as u32))
}

/// The lower half.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "that is what is asked for")]
pub(crate) const fn low(value: u32) -> u16 {
    value as u16
}
