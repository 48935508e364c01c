//! Tasks of one service with different ports, as in a rolling update that changes the target port: each new flow goes to the
//! port of its own task, and stays there whatever the frontend says later.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::{Frontend, LOCAL, REMOTE, TARGETS, TargetKey};
use lb_abi::{Be16, Be32};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, INGRESS, key, serving, task};
use crate::packets::{Body, Transport, segment};

/// The port of tasks that are new.
const NEW: u16 = 8001;

/// The port of task `n`: tasks with odd numbers are new.
fn target(n: u32) -> u16 {
    if n.is_multiple_of(2) {
        task(n).port()
    } else {
        NEW
    }
}

/// The service has a new target port, which only tasks with odd numbers listen on.
fn update(memory: &mut Memory) {
    let ports: Vec<_> = memory.frontends.keys().copied().collect();
    for port in ports {
        let old = (0..).map(|n| (n, key(n)));
        let old = old.take_while(|(_, key)| memory.backends.contains_key(key));
        let old: Vec<_> = old.filter(|(n, _)| target(*n) != NEW).collect();
        for (n, key) in old {
            let own = Be16::new(target(n));
            memory.targets.insert(TargetKey::new(port, key), own);
        }
        let frontend = memory.frontends.get_mut(&port).unwrap();
        frontend.target = Be16::new(NEW);
        frontend.flags |= TARGETS;
    }
}

/// The update is over: there are new tasks only, and no task differs.
fn complete(memory: &mut Memory) {
    memory.targets.clear();
    for frontend in memory.frontends.values_mut() {
        frontend.flags &= !TARGETS;
    }
}

fn from(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), port)
}

/// Address and port that a packet goes to.
fn destination(frame: &Frame<true>, memory: &Memory) -> SocketAddrV4 {
    let tuple = outer(frame, memory).unwrap().tuple;
    let address = Ipv4Addr::from(tuple.destination.get());
    SocketAddrV4::new(address, tuple.destination_port.get())
}

/// Where a packet of a client to the frontend ends.
fn sent(ingress: &Memory, home: Option<&Memory>, body: &Body, client: u16) -> SocketAddrV4 {
    let mut frame = Frame::<true>::new(body.frame(from(client), FRONTEND));
    let verdict = uplink(&mut frame, ingress);
    let Some(home) = home else {
        assert_eq!(verdict, Verdict::Bridge);
        return destination(&frame, ingress);
    };
    assert_eq!(verdict, Verdict::Uplink);
    let mut frame = Frame::<true>::new(frame.bytes);
    assert_eq!(uplink(&mut frame, home), Verdict::Bridge);
    destination(&frame, home)
}

/// Where task `n` listens.
fn listens(n: u32) -> SocketAddrV4 {
    SocketAddrV4::new(*task(n).ip(), target(n))
}

/// The number of the task with this address.
fn number(at: SocketAddrV4) -> u32 {
    (0..).find(|n| task(*n).ip() == at.ip()).unwrap()
}

proptest! {
    #[test]
    fn a_new_flow_goes_to_the_port_of_its_own_task(count in 1u32..9, elsewhere: bool, datagrams: bool) {
        let body = if datagrams { Body::bare(Transport::Udp(true)) } else { segment(0x02) };
        let mut ingress = serving(INGRESS, if elsewhere { REMOTE } else { LOCAL }, count);
        let mut home = serving(HOME, LOCAL, count);
        update(&mut ingress);
        update(&mut home);
        let home = elsewhere.then_some(&home);
        for n in 0..count {
            let client = 1000 + u16::try_from(n).unwrap();
            let to = sent(&ingress, home, &body, client);
            prop_assert_eq!(to, listens(number(to)), "task {}", number(to));
            // Whatever it answers bears the frontend's name.
            let node = home.unwrap_or(&ingress);
            let mut answer = Frame::<true>::new(if datagrams { body.frame(to, from(client)) } else { segment(0x12).frame(to, from(client)) });
            prop_assert_eq!(bridge(&mut answer, node), Verdict::Uplink);
            if home.is_some() {
                let mut back = Frame::<true>::new(answer.bytes);
                prop_assert_eq!(uplink(&mut back, &ingress), Verdict::Uplink);
                answer = back;
            }
            let tuple = outer(&answer, &ingress).unwrap().tuple;
            prop_assert_eq!(tuple.source, Be32::new((*FRONTEND.ip()).into()));
            prop_assert_eq!(tuple.source_port.get(), FRONTEND.port());
        }
    }

    #[test]
    fn a_flow_keeps_the_port_of_its_task_whatever_the_frontend_says_later(count in 1u32..9, elsewhere: bool) {
        let place = if elsewhere { REMOTE } else { LOCAL };
        let (mut ingress, mut home) = (serving(INGRESS, place, count), serving(HOME, LOCAL, count));
        let clients = || (0..count).map(|n| 1000 + u16::try_from(n).unwrap());
        let begun: Vec<_> = clients()
            .map(|client| sent(&ingress, elsewhere.then_some(&home), &segment(0x02), client))
            .collect();
        prop_assert!(begun.iter().all(|to| to.port() == task(0).port()), "all are old");
        for change in [update, complete] {
            change(&mut ingress);
            change(&mut home);
            for (client, to) in clients().zip(&begun) {
                let now = sent(&ingress, elsewhere.then_some(&home), &segment(0x10), client);
                prop_assert_eq!(now, *to);
            }
        }
    }
}

#[test]
fn a_frontend_whose_tasks_have_one_port_is_not_asked_about_each_of_them() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    for port in memory.frontends.keys() {
        let stale = TargetKey::new(*port, key(0));
        memory.targets.insert(stale, Be16::new(NEW));
    }
    assert_eq!(sent(&memory, None, &segment(0x02), 1000), task(0));
    let flows = memory.flows.borrow();
    assert!(
        flows
            .values()
            .all(|flow| flow.target.get() == task(0).port())
    );
}

#[test]
fn a_flow_without_a_port_of_its_own_has_the_frontends() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    assert_eq!(sent(&memory, None, &segment(0x02), 1000), task(0));
    for flow in memory.flows.get_mut().values_mut() {
        flow.target = Be16::new(0);
    }
    for frontend in memory.frontends.values_mut() {
        *frontend = Frontend::new(Be16::new(NEW), 1, 1, frontend.service);
    }
    let to = sent(&memory, None, &segment(0x10), 1000);
    assert_eq!(to, SocketAddrV4::new(*task(0).ip(), NEW));
}
