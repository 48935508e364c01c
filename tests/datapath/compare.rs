//! Comparison of the kernel's maps with the tables in memory, after every step.

use agent::kernel::StatsReader as _;
use std::collections::BTreeMap;

use lb_abi::counters::Counters;
use lb_abi::flow::{FirstFragment, Flow};
use lb_abi::service::AffinityValue;
use lb_core::model::ids::Key;

use crate::world::World;

impl World {
    #[track_caller]
    pub(crate) fn compare(&self, when: &str) {
        let turns = self.kernel.turns().unwrap();
        assert_eq!(turns, *self.memory.turns.borrow(), "turns, {when}");
        // The number that a task's later packet says depends on whether a tick has passed since: what it proves is
        // compared by what it does.
        let timeless = |flow: Flow| Flow {
            seen: 0,
            begun: 0,
            proof: 0,
            ..flow
        };
        let flows = self.kernel.flows().unwrap();
        let flows: BTreeMap<_, _> = flows
            .into_iter()
            .map(|(tuple, flow)| (tuple, timeless(flow)))
            .collect();
        let expected = self.memory.flows.borrow();
        let expected = expected
            .iter()
            .map(|(tuple, flow)| (*tuple, timeless(*flow)));
        assert_eq!(flows, expected.collect(), "flows, {when}");
        assert_eq!(
            self.kernel.replies().unwrap(),
            *self.memory.replies.borrow(),
            "replies, {when}"
        );
        let ports = |fragments: &BTreeMap<_, FirstFragment>| -> BTreeMap<_, _> {
            let first = fragments.iter().map(|(key, first)| (*key, first.ports));
            first.collect()
        };
        assert_eq!(
            ports(&self.kernel.fragments().unwrap()),
            ports(&self.memory.fragments.borrow()),
            "fragments, {when}"
        );
        let tasks = |kept: &BTreeMap<_, AffinityValue>| -> BTreeMap<_, _> {
            kept.iter()
                .map(|(client, kept)| (*client, kept.task))
                .collect()
        };
        let [kept, keeping] = self.kernel.kept().unwrap();
        assert_eq!(
            tasks(&kept),
            tasks(&self.memory.kept.borrow()),
            "kept, {when}"
        );
        assert_eq!(
            tasks(&keeping),
            tasks(&self.memory.keeping.borrow()),
            "to be kept, {when}"
        );
        assert_eq!(
            self.kernel.callers().unwrap(),
            *self.memory.callers.borrow(),
            "callers, {when}"
        );
        let answers = self.kernel.own_flows().unwrap();
        let expected = self.memory.own_flows.borrow();
        assert!(
            answers.keys().eq(expected.keys()),
            "own flows, {when}: {answers:?}, not {expected:?}"
        );
        let paths = self.kernel.path_mtus().unwrap();
        let paths = paths.iter().map(|(peer, path)| (peer.get(), path.mtu));
        let expected = self.memory.path_mtus.borrow();
        let expected = expected.iter().map(|(peer, path)| (*peer, path.mtu));
        assert_eq!(
            paths.collect::<BTreeMap<_, _>>(),
            expected.collect(),
            "MTUs of paths, {when}"
        );
        assert_eq!(
            self.kernel.drops().unwrap(),
            self.all_drops(),
            "drops, {when}"
        );
        let told = self.kernel.stats_reader().unwrap().read().unwrap().tasks;
        let told: BTreeMap<_, _> = told
            .into_iter()
            .map(|(Key(key), counters)| {
                let lb_core::report::Counters {
                    new,
                    packets_in,
                    bytes_in,
                    packets_out,
                    bytes_out,
                    ..
                } = counters;
                (
                    key,
                    Counters {
                        new,
                        packets_in,
                        bytes_in,
                        packets_out,
                        bytes_out,
                    },
                )
            })
            .collect();
        assert_eq!(told, *self.memory.counters.borrow(), "counters, {when}");
    }
}
