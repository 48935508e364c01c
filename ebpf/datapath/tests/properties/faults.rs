//! Maps that refuse, tables that change between two look-ups, frames that can't grow.

use std::cell::Cell;

use lb_abi::counters::Reason;
use lb_abi::service::{Backend, Frontend, LOCAL, REMOTE, SCHED_LC, SCHED_RR, Slot};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::faulty::{Faulty, Stiff};
use crate::nodes::{FRONTEND, HOME, INGRESS, key, pair, serving, task};
use crate::packets::{Body, Transport};

fn syn() -> Body {
    Body::bare(Transport::Tcp(0x02, vec![2, 4, 5, 0xb4], 1))
}

fn sent(tables: &Faulty) -> Verdict {
    let frame = syn().frame("203.0.113.7:40000".parse().unwrap(), FRONTEND);
    uplink(&mut Frame::<true>::new(frame), tables)
}

fn of(memory: Memory) -> Faulty {
    Faulty {
        memory,
        ..Faulty::default()
    }
}

fn local() -> Faulty {
    of(serving(INGRESS, LOCAL, 2))
}

#[test]
fn a_table_replaced_between_two_look_ups_is_read_again() {
    let frontend = *local().memory.frontends.values().next().unwrap();
    let with = |gone, then| Faulty {
        gone: Cell::new(gone),
        then: Some(then),
        ..local()
    };
    let tables = with(1, Some(frontend));
    assert_eq!(sent(&tables), Verdict::Bridge);
    let flows = tables.memory.flows.borrow();
    assert_eq!(
        flows.values().next().unwrap().task,
        key(0),
        "its own turn, not another one"
    );
    assert_eq!(tables.memory.turns.borrow().values().sum::<u64>(), 1);
    // Twice is not credible: dropped and counted, the client asks again.
    let twice = with(2, Some(frontend));
    assert_eq!(sent(&twice), Verdict::Drop(Reason::NoSlot));
    // The last task went, or the port: the kernel refuses.
    let empty = Frontend {
        count: 0,
        table: 0,
        ..frontend
    };
    for then in [Some(empty), None] {
        let tables = with(1, then);
        assert_eq!(sent(&tables), Verdict::Pass);
        assert!(tables.memory.flows.borrow().is_empty());
    }
}

#[test]
fn the_table_that_was_put_in_place_of_another_is_the_one_that_is_read() {
    // The old table is gone, and the new one has another number and other tasks.
    let mut tables = local();
    let frontend = *tables.memory.frontends.values().next().unwrap();
    let new = |(slot, _): (Slot, u64)| (Slot { table: 2, ..slot }, key(1));
    let slots = std::mem::take(&mut tables.memory.slots);
    tables.memory.slots = slots.into_iter().map(new).collect();
    tables.then = Some(Some(Frontend {
        table: 2,
        ..frontend
    }));
    assert_eq!(sent(&tables), Verdict::Bridge);
    let flows = tables.memory.flows.borrow();
    assert_eq!(flows.values().next().unwrap().task, key(1));
}

#[test]
fn a_tables_number_that_another_service_has_by_now_leads_to_none_of_its_tasks() {
    // Between the look-ups of the frontend and of its table, the frontend was given another table, and the old
    // table's number to another service.
    for scheduler in [SCHED_RR, SCHED_LC] {
        let mut tables = local();
        for frontend in tables.memory.frontends.values_mut() {
            frontend.scheduler = scheduler;
        }
        let frontend = *tables.memory.frontends.values().next().unwrap();
        let theirs = Backend {
            service: 2,
            ..tables.memory.backends[&key(1)]
        };
        tables.memory.backends.insert(key(7), theirs);
        let old = tables.memory.slots.clone();
        let own = old.keys().map(|slot| (Slot { table: 2, ..*slot }, key(1)));
        tables.memory.slots = old.keys().map(|slot| (*slot, key(7))).chain(own).collect();
        tables.then = Some(Some(Frontend {
            table: 2,
            ..frontend
        }));
        *tables.memory.loads.get_mut() = [(key(1), 0), (key(7), 0)].into();
        assert_eq!(sent(&tables), Verdict::Bridge);
        let flows = tables.memory.flows.borrow();
        assert_eq!(flows.values().next().unwrap().task, key(1));
        let loads = tables.memory.loads.borrow();
        assert_eq!(loads[&key(7)], 0, "it has no flow more");
    }
    // Where the frontend still names it, nobody is served wrongly.
    let mut tables = local();
    for backend in tables.memory.backends.values_mut() {
        backend.service = 2;
    }
    assert_eq!(sent(&tables), Verdict::Drop(Reason::NoSlot));
}

#[test]
fn a_slot_of_a_task_that_is_gone_leads_nowhere() {
    let mut tables = local();
    tables.memory.backends.clear();
    assert_eq!(sent(&tables), Verdict::Drop(Reason::NoSlot));
}

#[test]
fn what_cannot_be_remembered_is_dropped_and_counted() {
    let turn = Faulty {
        no_turn: true,
        ..local()
    };
    assert_eq!(sent(&turn), Verdict::Drop(Reason::NoSlot));
    let flow = Faulty {
        no_flow: true,
        ..local()
    };
    assert_eq!(sent(&flow), Verdict::Drop(Reason::FlowTable));
    let reply = Faulty {
        no_reply: true,
        ..local()
    };
    assert_eq!(sent(&reply), Verdict::Drop(Reason::FlowTable));
    let (ingress, home) = pair();
    let mut frame = Frame::<true>::new(syn().frame("203.0.113.7:40000".parse().unwrap(), FRONTEND));
    uplink(&mut frame, &ingress);
    let home = Faulty {
        no_flow: true,
        ..of(home)
    };
    assert_eq!(uplink(&mut frame, &home), Verdict::Drop(Reason::FlowTable));
}

#[test]
fn a_frame_that_cannot_be_changed_is_dropped_and_counted() {
    let frame = || syn().frame("203.0.113.7:40000".parse().unwrap(), FRONTEND);
    let no_room = Verdict::Drop(Reason::NoRoom);
    let tc = |bytes: &[u8], memory: &Memory| {
        uplink(&mut Stiff(Frame::<true>::new(bytes.to_vec())), memory)
    };
    assert_eq!(
        tc(&frame(), &serving(INGRESS, LOCAL, 1)),
        no_room,
        "to a local task"
    );
    assert_eq!(
        tc(&frame(), &serving(INGRESS, REMOTE, 1)),
        no_room,
        "into the tunnel"
    );
    let (ingress, home) = pair();
    let mut tunnelled = Frame::<true>::new(frame());
    uplink(&mut tunnelled, &ingress);
    assert_eq!(
        tc(&tunnelled.bytes, &home),
        no_room,
        "out of the tunnel, to a task"
    );
    // The clamp comes first there.
    assert_eq!(
        tc(
            &syn().frame("203.0.113.7:40000".parse().unwrap(), FRONTEND),
            &home
        ),
        no_room,
        "after XDP opened it"
    );
    uplink(&mut tunnelled.clone(), &home);
    let answer = Body {
        transport: Transport::Tcp(0x12, Vec::new(), 1),
        ..syn()
    };
    let answer = answer.frame(task(0), "203.0.113.7:40000".parse().unwrap());
    let stiff = bridge(&mut Stiff(Frame::<true>::new(answer.clone())), &home);
    assert_eq!(stiff, no_room, "a task's answer");
    let mut answer = Frame::<true>::new(answer);
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(
        tc(&answer.bytes, &ingress),
        no_room,
        "out of the tunnel, to a client"
    );
    assert_eq!(
        HOME,
        std::net::Ipv4Addr::from(home.settings.unwrap().node.get())
    );
}
