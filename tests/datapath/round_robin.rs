//! Tasks of new flows, by round-robin.

use std::collections::BTreeSet;

use lb_abi::service::{Port, SCHED_MAGLEV, SCHED_SH};
use lb_abi::{Be16, TCP};
use lb_core::backend::ebpf::Op;
use lb_core::backend::ebpf::State;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp};
use crate::lab::{Lab, lab, node};
use crate::states::{Task, address_of, here, key, publish, there};
use crate::world::World;

/// Tasks on both nodes: where they are makes no difference to their turns.
pub(crate) fn six() -> Vec<Task> {
    (1..=6)
        .map(|n| {
            if n % 2 == 0 {
                there(n, node(2))
            } else {
                here(n)
            }
        })
        .collect()
}

pub(crate) fn with(lab: &Lab, edit: impl FnOnce(&mut State)) -> World {
    let mut world = World::new(lab, 1);
    world.change(edit);
    world
}

/// Opens a connection from each port, and says whom each went to.
pub(crate) fn open(world: &mut World, ports: std::ops::Range<u16>) -> Vec<u64> {
    ports
        .map(|port| {
            world.receive(&tcp(client(port), at(node(1), 8080), "S").frame());
            world.tasks()[&port]
        })
        .collect()
}

pub(crate) fn distinct(tasks: &[u64]) -> usize {
    tasks.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn new_flows_reach_every_task_once_a_round() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, TCP, 8080, 80, &six()));
        let first = open(&mut world, 1000..1006);
        assert_eq!(distinct(&first), 6);
        assert_eq!(
            open(&mut world, 1006..1012),
            first,
            "the second round is the first again"
        );
        for n in 1..=6 {
            assert_eq!(world.counted(n).new, 2, "task {n}");
        }
        // Halfway through a round a task goes, and another comes.
        open(&mut world, 1012..1015);
        world.change(|state| publish(state, TCP, 8080, 80, &six()[..5]));
        assert_eq!(distinct(&open(&mut world, 1015..1020)), 5);
        world.change(|state| {
            publish(
                state,
                TCP,
                8080,
                80,
                &[six().as_slice(), &[here(7)]].concat(),
            );
        });
        assert_eq!(distinct(&open(&mut world, 1020..1027)), 7);
    });
}

#[test]
fn a_table_is_replaced_under_traffic_step_by_step() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
        });
        let port = Port::new(Be16::new(8080), TCP);
        let old = world.tables().frontends[&port];
        let (key3, backend3) = here(3);
        let task = |world: &mut World, port| open(world, port..port + 1)[0];
        assert_eq!(task(&mut world, 2000), key(1));
        world.step(&Op::PutBackend(key3, backend3));
        world.step(&Op::PutTable(old.table + 1, vec![key3]));
        assert_eq!(
            task(&mut world, 2001),
            key(2),
            "the new table is not in force"
        );
        world.step(&Op::PutFrontend(
            port,
            lb_abi::service::Frontend {
                count: 1,
                table: old.table + 1,
                ..old
            },
        ));
        assert_eq!(task(&mut world, 2002), key(3), "now it is");
        world.step(&Op::RemoveTable(
            old.table,
            vec![here(1).0, here(2).0],
            vec![port],
        ));
        assert_eq!(task(&mut world, 2003), key(3));
        world.settle();
        // And who was connected stays connected.
        let (verdict, frame) = world.receive(&tcp(client(2000), at(node(1), 8080), "A").frame());
        assert_eq!(verdict, Verdict::Bridge);
        assert_eq!(crate::read::read(&frame).to, at(address_of(1), 80));
    });
}

#[test]
fn a_table_that_two_ports_share_is_replaced_for_each_of_them_in_one_write() {
    lab(|lab| {
        let [first, second] = [8080, 8081].map(|number| Port::new(Be16::new(number), TCP));
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
            publish(state, TCP, 8081, 80, &[here(1), here(2)]);
        });
        let old = world.tables().frontends[&first];
        assert_eq!(world.tables().frontends[&second].table, old.table);
        assert_eq!(world.tables().slots.len(), 2, "one table for both");
        let mut next = 3000;
        let mut two = |world: &mut World, number| {
            let ports = next..next + 2;
            next += 2;
            for port in ports.clone() {
                world.receive(&tcp(client(port), at(node(1), number), "S").frame());
            }
            let tasks = world.tasks();
            ports.map(|port| tasks[&port]).collect::<Vec<_>>()
        };
        let (key3, backend3) = here(3);
        world.step(&Op::PutBackend(key3, backend3));
        world.step(&Op::PutTable(old.table + 1, vec![key3]));
        let new = lb_abi::service::Frontend {
            count: 1,
            table: old.table + 1,
            ..old
        };
        world.step(&Op::PutFrontend(first, new));
        assert_eq!(two(&mut world, 8080), [key(3); 2]);
        assert_eq!(two(&mut world, 8081), [key(1), key(2)], "its own turns");
        world.step(&Op::PutFrontend(second, new));
        let members = vec![here(1).0, here(2).0];
        world.step(&Op::RemoveTable(old.table, members, vec![first, second]));
        for number in [8080, 8081] {
            assert_eq!(two(&mut world, number), [key(3); 2]);
        }
        assert_eq!(world.tables().slots.len(), 1);
        world.settle();
    });
}

#[test]
fn by_hash_a_client_keeps_its_task_and_the_host_and_the_kernel_agree_which() {
    lab(|lab| {
        for scheduler in [SCHED_SH, SCHED_MAGLEV] {
            let mut world = with(lab, |state| {
                publish(state, TCP, 8080, 80, &six());
                let frontend = state.frontends.values_mut().next().unwrap();
                frontend.scheduler = scheduler;
            });
            // `receive` compares the kernel's verdict, frame and maps with the host's.
            let tasks = open(&mut world, 1000..1040);
            let reached = if scheduler == SCHED_SH { 1 } else { 6 };
            assert_eq!(distinct(&tasks), reached);
        }
    });
}
