//! Lifetimes of elements that packets add to sets.

use std::time::Duration;

/// What opens a connection is known for so long, until its client goes on: between the first two times that
/// it sends it again.
pub(super) const OPENING_FOR: Duration = Duration::from_secs(10);
/// Lifetime of a connection that has ended: as long as IPVS (`IP_VS_TCP_S_TIME_WAIT`) and hosts know it, and a bit.
pub(super) const ENDED: Duration = Duration::from_secs(130);
/// Lifetime of datagrams that were answered: IPVS's own.
pub(super) const EXCHANGE: Duration = Duration::from_secs(300);
/// Lifetime without further packets.
pub(super) const IDLE: Duration = Duration::from_secs(3600);
/// Lifetime of a connection: as long as IPVS knows it, a day, and a bit.
pub(super) const CALL: Duration = Duration::from_secs(90_000);
/// Lifetime of a datagram that this node itself sent from a published port, as by eBPF (`lb_datapath::own_flows`).
pub(super) const AWAITED: Duration = Duration::from_secs(180);
/// Lifetime of datagrams that were not answered yet.
pub(super) const QUESTION: Duration = Duration::from_secs(30);
