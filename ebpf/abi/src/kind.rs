//! The kinds of flows, each with tables of its own.

/// Flows of one kind take room from each other and from no others: each has tables of its own
/// (docs/adr/0022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// TCP connections whose clients have acknowledged the task's own sequence number: `LB_FLOWS`.
    Proved,
    /// What time alone has settled: datagrams that go on, and TCP flows whose answers do not come by here
    /// ([`crate::flow::TIMED`]): `LB_FLOWS_ANY`.
    Timed,
    /// What is opening, short or closed: `LB_EMBRYONIC`.
    Embryonic,
}
