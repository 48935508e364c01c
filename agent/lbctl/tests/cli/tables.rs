//! What people and scripts see.

use crate::agent::{Agent, Ran};
use crate::swarm::problem;
use lb_core::model::ids::Key;
use lb_core::model::snapshot::Proto;
use lb_core::report::build::{self, Occupancy, OtherTables};
use lb_core::report::{
    Check, Nodes, RouteReport, RouterReport, RouterStatus, Routes, Scope, Services, Stats, Status,
};
use lb_core::table_sizes::TableSizes;
use serde::de::DeserializeOwned;

#[track_caller]
pub(crate) fn shows(ran: &Ran, code: i32, text: &str) {
    assert_eq!(ran.out, text, "the output was\n{}", ran.out);
    assert_eq!((ran.code, ran.err.as_str()), (Some(code), ""));
}

#[test]
fn status() {
    let agent = Agent::start();
    shows(
        &agent.lbctl(&["status"]),
        0,
        "\
node       alpha 192.0.2.1
agent      0.1.0, up 2 h 10 min
swarm      connected to docker
datapath   ebpf
           eth0 xdp (native)
           docker_gwbridge tc-ingress (tcx)
kernel     in sync
serving    2 services, 3 tasks
problems   none
",
    );
    agent.change(|swarm| {
        swarm.status.connected = false;
        swarm.status.in_sync = false;
        swarm.status.problems = 2;
    });
    shows(
        &agent.lbctl(&["status"]),
        1,
        "\
node       alpha 192.0.2.1
agent      0.1.0, up 2 h 10 min
swarm      NOT CONNECTED to docker: the last view of the Swarm stays in force
datapath   ebpf
           eth0 xdp (native)
           docker_gwbridge tc-ingress (tcx)
kernel     NOT IN SYNC: it does not hold all that the Swarm asks for
serving    2 services, 3 tasks
problems   2 (see: lbctl check)
",
    );
}

#[test]
fn how_full_the_tables_are_is_told_with_what_a_full_one_means_and_what_memory_they_take() {
    let agent = Agent::start();
    agent.change(|swarm| {
        let others = OtherTables {
            affinities: 5,
            map_memory: 62_345_678,
            ..OtherTables::default()
        };
        let occupancy = Occupancy {
            proved: 12,
            timed: 3,
            embryonic: 400,
            others,
        };
        swarm.status.tables = build::tables(&occupancy, TableSizes::for_flows(80_000));
        swarm.status.map_memory = Some(others.map_memory);
    });
    let told = agent.lbctl(&["status"]).out;
    let mut lines = told.lines().skip_while(|line| !line.starts_with("tables "));
    for first in [
        "tables     12 of 80000 TCP connections (full: the connection that was used least",
        "           3 of 20000 UDP conversations (full: ",
        "           400 of 40000 opening or short (full: ",
        "           5 of 40000 clients kept with their tasks (full: ",
    ] {
        assert!(lines.next().unwrap().starts_with(first), "{first}: {told}");
    }
    let mut lines = lines.skip_while(|line| line.starts_with(' '));
    assert_eq!(
        lines.next(),
        Some("memory     62.3 MB of the kernel's for maps")
    );
    assert_eq!(lines.next(), Some("problems   none"));
}

#[test]
fn status_tells_by_its_exit_code_alone_when_quiet() {
    let agent = Agent::start();
    shows(&agent.lbctl(&["status", "--quiet"]), 0, "");
    agent.change(|swarm| swarm.status.in_sync = false);
    shows(&agent.lbctl(&["status", "--quiet"]), 1, "");
    agent.change(|swarm| {
        swarm.status.in_sync = true;
        swarm.status.connected = false;
    });
    shows(&agent.lbctl(&["status", "--quiet"]), 1, "");
}

#[test]
fn routers_are_a_line_of_the_status_where_they_are_switched_on() {
    let agent = Agent::start();
    let line = |view, connected: &[(&str, Option<u64>)]| {
        let report = |(version, applied): &(&str, Option<u64>)| RouterReport {
            version: (*version).to_owned(),
            workers: 2,
            applied: *applied,
        };
        let connected = connected.iter().map(report).collect();
        agent.change(|swarm| swarm.status.router = Some(RouterStatus { view, connected }));
        let out = agent.lbctl(&["status"]).out;
        let line = out.lines().find(|line| line.starts_with("router "));
        line.unwrap().to_owned()
    };
    for (view, connected, text) in [
        (Some(7), vec![], "none connected"),
        (
            Some(7),
            vec![("0.1.0", Some(7))],
            "connected (0.1.0, view 7 applied)",
        ),
        (
            Some(7),
            vec![("0.1.0", Some(5)), ("0.2.0", None)],
            "connected (0.1.0, view 5 applied, of 7; 0.2.0, no view applied)",
        ),
    ] {
        assert_eq!(line(view, &connected), format!("router     {text}"));
    }
}

#[test]
fn routes() {
    let agent = Agent::start();
    let off = agent.lbctl(&["routes"]);
    assert_eq!(off.code, Some(1));
    assert!(off.err.contains("switched off"), "{off:?}");
    agent.change(|swarm| swarm.routes = Some(Routes::default()));
    shows(
        &agent.lbctl(&["routes"]),
        0,
        "no service declares an HTTP route\n",
    );
    shows(
        &agent.lbctl(&["routes", "--problems"]),
        0,
        "no problems found\n",
    );
    let route = |rule: &str, filters: &[&str], priority| RouteReport {
        rule: rule.to_owned(),
        service: "s1".into(),
        service_name: "shop_vote".to_owned(),
        family: "traefik".to_owned(),
        name: "vote".to_owned(),
        entry_points: vec!["http".to_owned(), "https".to_owned()],
        filters: filters.iter().map(|filter| (*filter).to_owned()).collect(),
        port: Some(8080),
        redirect: None,
        ready: 2,
        tasks: 3,
        priority,
    };
    let elsewhere = RouteReport {
        port: None,
        redirect: Some("https://new.example".to_owned()),
        ..route("Host(`old.example`)", &[], 7)
    };
    let told = Routes {
        routes: vec![
            route(
                "Host(`a.example`) && PathPrefix(`/x`)",
                &["basic-auth", "strip-prefix"],
                100,
            ),
            elsewhere,
        ],
        problems: vec![problem("service shop_vote", "label x: it is not known")],
    };
    agent.change(|swarm| swarm.routes = Some(told.clone()));
    shows(&agent.lbctl(&["routes"]), 0, "\
RULE                                    SERVICE     ENTRY POINTS   FILTERS                   TO                    READY   TASKS   PRIORITY
Host(`a.example`) && PathPrefix(`/x`)   shop_vote   http,https     basic-auth,strip-prefix   port 8080                 2       3        100
Host(`old.example`)                     shop_vote   http,https     -                         https://new.example       2       3          7

1 problem (see: lbctl routes --problems)
");
    shows(
        &agent.lbctl(&["routes", "--problems"]),
        1,
        "\
OBJECT              PROBLEM
service shop_vote   label x: it is not known

1 problem found
",
    );
    let json: Routes = json(&agent, &["routes", "--json"]);
    assert_eq!(json, told);
}

#[test]
fn services() {
    shows(
        &Agent::start().lbctl(&["services"]),
        0,
        "\
NAME        PORTS                              READY   DRAINING
probe       *:30000->9100/tcp                      1          0
shop_vote   *:8080->80/tcp, *:8080->8000/udp       2          1
",
    );
}

#[test]
fn ports_that_only_keep_connections_are_told_as_such() {
    let agent = Agent::start();
    agent.change(|swarm| {
        let port = ((8088, Proto::Tcp), 80);
        swarm.withdrawn = [(Key::of("s1"), [port].into())].into();
    });
    let ran = agent.lbctl(&["services"]);
    let ports = "*:8080->80/tcp, *:8080->8000/udp, *:8088->80/tcp (withdrawn)";
    assert!(ran.out.contains(ports), "{}", ran.out);
}

#[test]
fn nodes() {
    shows(
        &Agent::start().lbctl(&["nodes"]),
        0,
        "\
HOSTNAME   ADDRESS     STATE   AVAILABILITY   ROLE      AGENT       TASKS
alpha *    192.0.2.1   ready   active         manager   connected       1
beta       192.0.2.2   ready   active         worker    connected       2
gamma      192.0.2.3   ready   drain          worker    missing         0
",
    );
}

#[test]
fn stats() {
    let agent = Agent::start();
    shows(&agent.lbctl(&["stats"]), 0, "\
SERVICE/TASK    NODE    ADDRESS              STATE        NEW   ACTIVE   PKTS IN   PKTS OUT   BYTES IN   BYTES OUT
probe                   30000/tcp            1 running      0        0         0          0        0 B         0 B
  probe.beta    beta    192.0.2.2            running        0        0         0          0        0 B         0 B
shop_vote               8080/tcp, 8080/udp   2 running   1351      134     81.1k      67.6k     5.8 MB      884 MB
  shop_vote.1   alpha   172.18.0.3           running       10        1       600        500    43.2 kB      6.5 MB
  shop_vote.2   beta    192.0.2.2            running     1234      123     74.0k      61.7k     5.3 MB      807 MB
  shop_vote.3   gamma   192.0.2.3            stopping       7        0       420        350    30.2 kB      4.6 MB
  ended tasks                                             100       10      6000       5000     432 kB     65.4 MB
");
    agent.change(|swarm| swarm.missing = ["n3".into()].into());
    shows(&agent.lbctl(&["stats", "--service", "probe"]), 0, "\
SERVICE/TASK   NODE   ADDRESS     STATE       NEW   ACTIVE   PKTS IN   PKTS OUT   BYTES IN   BYTES OUT
probe                 30000/tcp   1 running     0        0         0          0        0 B         0 B
  probe.beta   beta   192.0.2.2   running       0        0         0          0        0 B         0 B

not counted: what came in through gamma, whose agent does not answer
");
}

#[test]
fn check() {
    let agent = Agent::start();
    shows(&agent.lbctl(&["check"]), 0, "no problems found\n");
    let message = "label swarmlb.policy=fastest is not known: use round-robin, least-conn, source-hash or maglev";
    agent.change(|swarm| {
        swarm.check.problems = vec![
            problem("node gamma", "its agent does not answer on 192.0.2.3:6081"),
            problem("service shop_vote", message),
        ];
    });
    shows(&agent.lbctl(&["check"]), 1, "\
OBJECT              PROBLEM
node gamma          its agent does not answer on 192.0.2.3:6081
service shop_vote   label swarmlb.policy=fastest is not known: use round-robin, least-conn, source-hash or maglev

2 problems found
");
}

#[test]
fn a_service_can_be_picked_by_name_and_id() {
    let agent = Agent::start();
    for wanted in ["shop_vote", "s1"] {
        let ran = agent.lbctl(&["stats", "--json", "--service", wanted]);
        let stats: Stats = serde_json::from_str(&ran.out).unwrap();
        let names: Vec<_> = stats.services.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["shop_vote"]);
    }
    let ran = agent.lbctl(&["stats", "--service", "vote"]);
    let message =
        "lbctl: no service with a published port is called vote: did you mean shop_vote?\n";
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(1), "", message)
    );
}

#[track_caller]
pub(crate) fn json<T: DeserializeOwned>(agent: &Agent, arguments: &[&str]) -> T {
    let ran = agent.lbctl(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn json_is_exactly_the_report() {
    let agent = Agent::start();
    let status: Status = json(&agent, &["status", "--json"]);
    let services: Services = json(&agent, &["--json", "services"]);
    let nodes: Nodes = json(&agent, &["nodes", "--json"]);
    let cluster: Stats = json(&agent, &["stats", "--json"]);
    let node: Stats = json(&agent, &["stats", "--node", "--json"]);
    let check: Check = json(&agent, &["check", "--json"]);
    agent.change(|swarm| {
        assert_eq!(status, swarm.status);
        let all = build::services(&swarm.snapshot, &swarm.withdrawn);
        assert_eq!(services, all);
        assert_eq!(nodes.nodes.len(), 3);
        assert_eq!(cluster, swarm.stats(Scope::Cluster));
        assert_eq!(node, swarm.stats(Scope::Node));
        assert_eq!(check, swarm.check);
    });
    let vote = &cluster.services[1];
    assert_eq!(vote.total.bytes_out, (100 + 10 + 1_234 + 7) * 654_321);
}

#[test]
fn completions_need_no_agent() {
    let ran = crate::agent::lbctl("/nowhere".as_ref(), &["completions", "bash"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("complete -F _lbctl"), "{}", ran.out);
}
