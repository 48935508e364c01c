//! Extent of `cargo xtask bench`: rounds, packets, bytes and times, in full or in short.

use std::time::Duration;

/// Rounds and times of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds through each program that count, after one that does not.
    pub(crate) packet_rounds: usize,
    /// Packets of a round through a program, at most.
    pub(crate) packets: u32,
    /// The floor is measured with 2^n flows, for each of these n.
    pub(crate) floor_bits: &'static [u32],
    /// Rounds of traffic that count, after one that does not.
    pub(crate) traffic_rounds: usize,
    /// Rounds through the proxies that don't count, before those that do.
    pub(crate) warm_ups: usize,
    /// Duration of one load of a proxy, in whole seconds.
    pub(crate) load: Duration,
    /// Connections that do nothing.
    pub(crate) idle_connections: u32,
    /// Rolling updates behind each proxy, by each order.
    pub(crate) updates: usize,
    /// They are by both orders, and not only start-first.
    pub(crate) both_orders: bool,
    /// Pause between two pairs of tasks of an update, and before its first and after its last one.
    pub(crate) update_pause: Duration,
    /// Bytes of one download.
    pub(crate) bytes: u64,
    /// Pause before agents are watched: after changes they ask engines more often
    /// for 30 s after it.
    pub(crate) settle: Duration,
    /// For so long memory and CPU time of agents are watched while nothing happens.
    pub(crate) idle: Duration,
}

impl Effort {
    /// For figures.
    pub(crate) const FULL: Self = Self {
        packet_rounds: 9,
        // A tenth of a second or so.
        packets: 1 << 20,
        floor_bits: &[0, 16, 18, 20],
        traffic_rounds: 7,
        warm_ups: 1,
        load: Duration::from_secs(2),
        // The router takes 1,000 from one address, and a tenth of these come on top.
        idle_connections: 800,
        updates: 3,
        both_orders: true,
        // As `--update-delay 1s`.
        update_pause: Duration::from_secs(1),
        bytes: 256 << 20,
        settle: Duration::from_secs(40),
        idle: Duration::from_secs(30),
    };
    /// To see that everything works.
    pub(crate) const QUICK: Self = Self {
        packet_rounds: 1,
        packets: 1 << 12,
        floor_bits: &[0, 16, 18],
        traffic_rounds: 1,
        // Each load of each proxy once, and one update: the part takes less than a minute.
        warm_ups: 0,
        load: Duration::from_secs(1),
        idle_connections: 100,
        updates: 1,
        both_orders: false,
        update_pause: Duration::from_millis(500),
        bytes: 16 << 20,
        settle: Duration::ZERO,
        idle: Duration::from_secs(1),
    };
}
