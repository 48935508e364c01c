//! Occupancy of the LRU tables, which the datapath fills: entries, sizes, and what happens when one is full.

use super::idle_ticks;
use crate::report::{Problem, TableReport};
use crate::table_sizes::TableSizes;
use lb_abi::flow::{Flow, Kind, SILENCE};
use lb_abi::limits;

/// A TCP connection without a packet for so many ticks is taken for over: 5 days, as by Linux' connection tracking
/// (`nf_conntrack_tcp_timeout_established`).
const TCP_OVER: u32 = 402_331;
/// From so many hundredths on a table is nearly full.
const NEARLY: u64 = 90;

/// Places that are taken in the tables of flows, of one way, and in the other tables. Flows that are over have a place until
/// another flow needs it: they do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Of [`Kind::Proved`].
    pub proved: u64,
    /// Of [`Kind::Timed`].
    pub timed: u64,
    /// Of [`Kind::Embryonic`].
    pub embryonic: u64,
    /// What is counted once a minute, however often flows are.
    pub others: OtherTables,
}

/// Entries of the tables that are none of flows, also of those that nothing needs any more, and the memory of all maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherTables {
    /// Clients that are kept with their tasks.
    pub affinities: u64,
    /// Clients that are to be kept with their tasks once they have proved to be there.
    pub affinities_embryonic: u64,
    /// Far ends of datagrams that the node itself sends from published ports.
    pub own_flows: u64,
    /// Fragmented packets.
    pub fragments: u64,
    /// Sockets of processes on the node that are pointed at tasks.
    pub calls: u64,
    /// Connections of containers to their own node.
    pub callers: u64,
    /// The kernel's memory that all maps take, in bytes.
    pub map_memory: u64,
}

impl Occupancy {
    /// Counts a flow over IP protocol `proto`, as it is at `now`, in ticks.
    pub fn count(&mut self, proto: u8, flow: &Flow, now: u32) {
        let over = if proto == lb_abi::UDP {
            SILENCE
        } else {
            TCP_OVER
        };
        if Flow::closed(flow.state) || idle_ticks(now, flow.seen) >= over {
            return;
        }
        match Flow::kind(proto, flow.state) {
            Kind::Proved => self.proved += 1,
            Kind::Timed => self.timed += 1,
            Kind::Embryonic => self.embryonic += 1,
        }
    }
}

/// The tables of [`crate::report::Status`], which have these sizes.
#[must_use]
pub fn tables(occupancy: &Occupancy, sizes: TableSizes) -> Vec<TableReport> {
    let table = |flows: &str, maps: &[&str], taken, default_entries, full: &str| TableReport {
        flows: flows.to_owned(),
        maps: maps.iter().map(|name| (*name).to_owned()).collect(),
        taken,
        places: sizes.in_proportion(default_entries).into(),
        settled: false,
        full: full.to_owned(),
    };
    let settled = |table: TableReport| TableReport {
        settled: true,
        ..table
    };
    let others = &occupancy.others;
    vec![
        settled(table(
            "TCP connections",
            &["LB_FLOWS", "LB_REV_NAT"],
            occupancy.proved,
            limits::FLOWS,
            "the connection that was used least recently is lost when another one is opened",
        )),
        settled(table(
            "UDP conversations",
            &["LB_FLOWS_ANY", "LB_REV_NAT_ANY"],
            occupancy.timed,
            limits::FLOWS_ANY,
            "the conversation that was used least recently may go on with another task when another one settles",
        )),
        table(
            "opening or short",
            &["LB_EMBRYONIC", "LB_REV_NAT_EMB"],
            occupancy.embryonic,
            limits::EMBRYONIC,
            "what is being opened may have to be opened again; open connections are not affected",
        ),
        table(
            "clients kept with their tasks",
            &["LB_AFFINITY"],
            others.affinities,
            limits::AFFINITY,
            "the client that was seen least recently may get another task with its next connection",
        ),
        table(
            "opening clients of services with affinity",
            &["LB_AFFINITY_EMB"],
            others.affinities_embryonic,
            limits::AFFINITY_EMBRYONIC,
            "a client that is opening its first connection may get another task with its second one",
        ),
        table(
            "far ends of the node's own datagrams",
            &["LB_OWN_FLOWS"],
            others.own_flows,
            limits::OWN_FLOWS,
            "answers of the far end that was asked least recently are taken for a client's",
        ),
        table(
            "fragmented packets",
            &["LB_FRAGMENTS"],
            others.fragments,
            limits::FRAGMENTS,
            "the rest of a packet whose fragments are far apart may be lost",
        ),
        table(
            "sockets of processes on the node",
            &["LB_SOCK_REV_NAT"],
            others.calls,
            limits::SOCK_REV_NAT,
            "the socket that was used least recently may send its next datagram to another task, or be told the address of its task",
        ),
        table(
            "connections of containers to their own node",
            &["LB_HAIRPIN_SNAT"],
            others.callers,
            limits::HAIRPIN_SNAT,
            "the connection that was used least recently is lost when another one is opened",
        ),
    ]
}

/// What `lbctl check` says of tables of settled flows that are nearly full.
#[must_use]
pub fn crowded(tables: &[TableReport]) -> Vec<Problem> {
    let nearly = |table: &&TableReport| table.settled && table.taken * 100 >= table.places * NEARLY;
    tables
        .iter()
        .filter(nearly)
        .map(|table| Problem {
            object: "flow tables".to_owned(),
            message: format!(
                "{} of {} places for {} are taken: when all are, {}; let clients come to more nodes, keep fewer open, or \
                 give the agents more room by --flows (SWARMLB_FLOWS)",
                table.taken, table.places, table.flows, table.full
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table_sizes::LruTable;
    use lb_abi::flow::{EMBRYONIC, RESET, TIMED};
    use lb_abi::{Be32, TCP, UDP};

    fn counted(proto: u8, state: u32, idle: u32) -> [u64; 3] {
        let flow = Flow {
            state,
            seen: 1_000_000 - idle,
            ..Flow::new(1, Be32::new(0))
        };
        let mut occupancy = Occupancy::default();
        occupancy.count(proto, &flow, 1_000_000);
        [occupancy.proved, occupancy.timed, occupancy.embryonic]
    }

    #[test]
    fn flows_that_are_not_over_count_where_they_are() {
        assert_eq!(counted(TCP, 0, 0), [1, 0, 0]);
        assert_eq!(counted(TCP, TIMED, 0), [0, 1, 0]);
        assert_eq!(counted(UDP, 0, 0), [0, 1, 0]);
        assert_eq!(counted(TCP, EMBRYONIC, 0), [0, 0, 1]);
        assert_eq!(counted(TCP, EMBRYONIC | RESET, 0), [0; 3]);
        // 180 s for datagrams, 5 days for connections.
        assert_eq!(counted(UDP, 0, 160), [0, 1, 0]);
        assert_eq!(counted(UDP, 0, 170), [0; 3]);
        assert_eq!(counted(TCP, 0, 402_000), [1, 0, 0]);
        assert_eq!(counted(TCP, 0, 403_000), [0; 3]);
    }

    #[test]
    fn a_table_of_settled_flows_that_is_nearly_full_is_a_problem_and_one_of_opening_ones_is_not() {
        let problems = |proved, timed, embryonic| {
            let occupancy = Occupancy {
                proved,
                timed,
                embryonic,
                others: OtherTables::default(),
            };
            crowded(&tables(&occupancy, TableSizes::default()))
        };
        let [flows, any] = [limits::FLOWS, limits::FLOWS_ANY].map(u64::from);
        let below = |places: u64| places * 89 / 100;
        assert_eq!(
            problems(below(flows), below(any), u64::from(limits::EMBRYONIC)),
            []
        );
        let told = problems(flows, below(any), 0);
        assert_eq!(told.len(), 1);
        assert!(
            told[0]
                .message
                .starts_with("176128 of 176128 places for TCP connections")
        );
        assert_eq!(problems(flows * 9 / 10 + 1, any, 0).len(), 2);
    }

    #[test]
    fn each_map_has_its_entries_told_beside_the_size_that_it_has() {
        let others = OtherTables {
            affinities: 1,
            affinities_embryonic: 2,
            own_flows: 3,
            fragments: 4,
            calls: 5,
            callers: 6,
            map_memory: 0,
        };
        let occupancy = Occupancy {
            proved: 7,
            timed: 8,
            embryonic: 9,
            others,
        };
        let sizes = TableSizes::for_flows(50_000);
        let tables = tables(&occupancy, sizes);
        for map in &LruTable::ALL {
            let mut told = tables
                .iter()
                .filter(|told| told.maps.iter().any(|name| name == map.name));
            let table = told.next().unwrap();
            assert_eq!(table.places, u64::from(sizes.entries(map)), "{}", map.name);
            assert!(told.next().is_none(), "{} is told twice", map.name);
        }
        let taken: Vec<_> = tables.iter().map(|table| table.taken).collect();
        assert_eq!(taken, [7, 8, 9, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_smaller_table_is_nearly_full_sooner() {
        let occupancy = Occupancy {
            proved: 15_000,
            ..Occupancy::default()
        };
        assert_eq!(crowded(&tables(&occupancy, TableSizes::default())), []);
        assert_eq!(
            crowded(&tables(&occupancy, TableSizes::for_flows(16_384))).len(),
            1
        );
    }
}
