//! How long sets keep what packets put into them.

use std::time::Duration;

/// What opens a connection is known for so long, until its client goes on: between the first two times that
/// it sends it again.
pub(super) const OPENING_FOR: Duration = Duration::from_secs(10);
/// So long IPVS (`IP_VS_TCP_S_TIME_WAIT`) and hosts know a connection that has ended, and a bit.
pub(super) const ENDED: Duration = Duration::from_secs(130);
/// Datagrams that were answered are known for as long as IPVS has it.
pub(super) const EXCHANGE: Duration = Duration::from_secs(300);
/// What packets put into sets lasts so long without any more of them.
pub(super) const IDLE: Duration = Duration::from_secs(3600);
/// A connection as long as IPVS knows it: a day, and a bit.
pub(super) const CALL: Duration = Duration::from_secs(90_000);
/// Datagrams that were not answered yet.
pub(super) const QUESTION: Duration = Duration::from_secs(30);
