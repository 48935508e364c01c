//! Ports on which processes of the host itself listen.

use super::labels::labelled;
use super::ports::{port, sentences, tcp};
use super::*;
use crate::model::node::Listener;

fn listens(engine: bool, passing: bool) -> Node {
    let listener = Listener {
        address: Ipv4Addr::LOCALHOST.into(),
        engine,
        passing,
    };
    let mut node = node();
    node.listening.insert((8080, Proto::Tcp), listener);
    node
}

#[test]
fn what_a_process_of_the_host_listens_on_is_its_own_on_this_node() {
    // Whoever asks: Swarm publishes it here.
    let view = labelled(&[("swarmlb.allow", "192.0.2.0/24"), ("swarmlb.affinity", "9")]);
    let node = listens(false, false);
    let open = want(&view).0;
    for have in [State::default(), open] {
        let (state, problems) = lower(&view, &node, &Config::default(), &have);
        let frontend = state.frontends[&tcp(8080)];
        // What comes out of the tunnel for a task of this node finds it; nothing else is kept
        // from the kernel, also not from clients who may not call the service.
        assert_eq!(
            (frontend.count, frontend.flags, frontend.affinity_ticks),
            (0, 0, 0)
        );
        assert_eq!(barred(&view, &node, &have), 1);
        assert_eq!((state.backends.len(), state.tables.len()), (2, 0));
        assert_eq!(
            sentences(&problems),
            [
                "service vote: port 8080/tcp is not served: on this node a process of the host itself listens on it, at 127.0.0.1 (`ss -lntup`); stop that, or choose another port"
            ]
        );
        // When it has gone, the port is served here, too.
        let (again, problems) = lower(&view, &super::node(), &Config::default(), &state);
        assert_eq!((ready(&again), problems), (2, vec![]));
        assert_eq!(barred(&view, &super::node(), &state), 0);
    }
}

#[test]
fn the_engine_listens_on_what_it_publishes_and_that_is_no_reason() {
    let engine = listens(true, false);
    let config = Config::default();
    let (state, problems) = lower(&snapshot(), &engine, &config, &State::default());
    assert_eq!((ready(&state), problems), (2, vec![]));
    // By label: the engine has it for a container that has nothing to do with the service…
    let mut view = labelled(&[("swarmlb.publish", "8080:80")]);
    view.services.get_mut(&"vote".into()).unwrap().ports.clear();
    let (state, problems) = lower(&view, &engine, &config, &State::default());
    assert_eq!((ready(&state), problems.len()), (0, 1));
    assert!(problems[0].message.contains("`docker ps`"), "{problems:?}");
    // …unless that is the service's own, on its own node,
    let mut host = port(8080, Proto::Tcp);
    host.mode = PublishMode::Host;
    let mut own = view.clone();
    own.services.get_mut(&"vote".into()).unwrap().ports = vec![host];
    let (state, _) = lower(&own, &engine, &config, &State::default());
    assert_eq!(ready(&state), 2);
    let mut own = view.clone();
    let task = own.tasks.get_mut(&TaskId::from("a")).unwrap();
    task.host_ports = vec![host].into();
    let (state, _) = lower(&own, &engine, &config, &State::default());
    assert_eq!(ready(&state), 2);
    // or until just now Swarm published what a label publishes now.
    let (before, _) = lower(&snapshot(), &engine, &config, &State::default());
    let (state, _) = lower(&view, &engine, &config, &before);
    assert_eq!(ready(&state), 2);
}

#[test]
fn what_the_kernel_chose_for_a_process_takes_no_port_from_who_has_it() {
    let passing = listens(false, true);
    let config = Config::default();
    let (state, _) = lower(&snapshot(), &passing, &config, &State::default());
    assert_eq!(ready(&state), 0);
    let (state, _) = lower(&snapshot(), &passing, &config, &want(&snapshot()).0);
    assert_eq!(ready(&state), 2);
}

#[test]
fn a_port_without_tasks_is_not_kept_from_who_listens_there() {
    let view = snapshot();
    let config = Config::default();
    let passing = listens(false, true);
    let open = want(&view).0;
    let served = lower(&view, &passing, &config, &open).0;
    assert_eq!((ready(&served), barred(&view, &passing, &open)), (2, 0));
    // Its tasks are gone: what follows now is what follows from then on.
    let mut gone = view.clone();
    gone.tasks.clear();
    let first = lower(&gone, &passing, &config, &served).0;
    let second = lower(&gone, &passing, &config, &first).0;
    assert_eq!(first, second);
    assert_eq!(barred(&gone, &passing, &served), 1);
}
