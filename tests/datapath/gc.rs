//! Garbage collection after a task is gone delays nothing else, however full the tables are.

use std::time::{Duration, Instant};

use aya::maps::{HashMap, Map, MapData};
use lb_abi::flow::{Flow, Tuple};
use lb_abi::{Be16, Be32, TCP, limits};
use lb_core::backend::ebpf::Op;
use lb_core::kernel::Kernel as _;
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::lab::{Lab, lab};
use crate::states::{here, publish};
use crate::world::World;

/// A step of the loop, which also renews the lease.
const STEP: Duration = Duration::from_millis(50);
const KEY: usize = size_of::<Tuple>();
const VALUE: usize = size_of::<Flow>();

type Flows = HashMap<MapData, [u8; KEY], [u8; VALUE]>;

/// A table of flows, by a handle of the test's own.
fn flows(world: &World, name: &str) -> Flows {
    let ours = world.net().bpffs.join("swarmlb");
    let version = std::fs::read_dir(&ours).unwrap().next().unwrap().unwrap();
    let map = MapData::from_pin(version.path().join(name)).unwrap();
    HashMap::try_from(Map::LruHashMap(map)).unwrap()
}

/// Flow `n` of a task that is not there.
fn orphan(n: u32) -> ([u8; KEY], [u8; VALUE]) {
    let mut tuple = Tuple::new_zeroed();
    tuple.source = Be32::new(n);
    tuple.destination_port = Be16::new(8080);
    tuple.proto = TCP;
    let mut flow = Flow::new_zeroed();
    flow.task = 0xdead;
    (
        tuple.as_bytes().try_into().unwrap(),
        flow.as_bytes().try_into().unwrap(),
    )
}

fn serving(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
    world
}

fn took(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

#[test]
fn full_tables_are_collected_and_counted_beside_the_loop() {
    lab(|lab| {
        let mut world = serving(lab);
        let mut table = flows(&world, "LB_FLOWS");
        for n in 0..limits::FLOWS {
            let (tuple, flow) = orphan(n);
            table.insert(tuple, flow, 0).unwrap();
        }
        let recount_loads = took(|| world.kernel.recount_loads());
        let collect = took(|| world.kernel.apply(&Op::CollectGarbage).unwrap());
        world.kernel.finish();
        assert!(
            recount_loads < STEP && collect < STEP,
            "{recount_loads:?} {collect:?}"
        );
        assert_eq!(world.kernel().flows().unwrap().len(), 0);
    });
}

/// The kernel begins a walk anew when the entry that it stands at is removed: here, at each step.
#[test]
fn a_walk_ends_although_flows_come_and_go_as_fast_as_it_reads_them() {
    lab(|lab| {
        let world = serving(lab);
        let mut table = flows(&world, "LB_EMBRYONIC");
        let mut next = 0;
        let mut one_more = |table: &mut Flows| {
            let (tuple, flow) = orphan(next);
            table.insert(tuple, flow, 0).unwrap();
            next += 1;
        };
        (0..100).for_each(|_| one_more(&mut table));
        let mut steps = 0;
        let visit = |tuple: Tuple| {
            steps += 1;
            assert!(steps <= 4 * limits::FLOWS, "{steps} steps over 100 flows");
            let tuple: [u8; KEY] = tuple.as_bytes().try_into().unwrap();
            table.remove(&tuple).unwrap();
            one_more(&mut table);
        };
        let whole = world.kernel().visit_opening(visit).unwrap();
        assert!(!whole, "it says that it did not get through");
    });
}
