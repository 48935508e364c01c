//! Output of `lab status`.

use std::fmt::Write as _;

use harness::node::Node;
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use serde_json::Value;

/// The laboratory in words: nodes, services, next steps.
pub(crate) fn describe(swarm: &Swarm) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<8} {:<12} {:<9} ENGINE", "NODE", "ADDRESS", "ROLE");
    for node in &swarm.nodes {
        let role = role(node);
        let _ = writeln!(
            text,
            "{:<8} {:<12} {role:<9} {}",
            node.name,
            node.addr,
            engine(node)
        );
    }
    let _ = writeln!(text, "{:<8} {CLIENT:<12} outside", "client");
    if let Some(services) = services(swarm) {
        let _ = writeln!(text, "\n{services}");
    }
    let _ = write!(text, "{}", next_steps(swarm));
    text
}

/// Role of the node by its own engine, since roles change.
fn role(node: &Node) -> &'static str {
    let info = node.api("/info").unwrap_or_default();
    let is = |pointer, value| info.pointer(pointer).is_some_and(|found| *found == value);
    if is("/Swarm/ControlAvailable", Value::Bool(true)) {
        "manager"
    } else if is("/Swarm/LocalNodeState", Value::from("active")) {
        "worker"
    } else {
        "-"
    }
}

fn engine(node: &Node) -> String {
    match node.engine_pid() {
        Ok(pid) if node.engine_answers() => format!("answers (pid {pid})"),
        Ok(pid) => format!("does not answer (pid {pid})"),
        Err(error) => format!("{error:#}"),
    }
}

fn services(swarm: &Swarm) -> Option<String> {
    let manager = swarm.manager().ok()?;
    let format = "table {{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}";
    let table = manager
        .docker(&["service", "ls", "--format", format])
        .ok()?;
    (table.lines().count() > 1).then_some(table)
}

fn next_steps(swarm: &Swarm) -> String {
    let logs = swarm
        .dir()
        .join(format!("{}.lab", swarm.description().prefix));
    format!(
        "
Go on with
  cargo xtask lab exec node1 -- docker service create --no-resolve-image \\
      --name vote --replicas 6 --publish 8080:80 whoami:1
  cargo xtask lab exec client -- curl -s 10.77.0.2:8080
  cargo xtask lab exec node2            a shell on a node
  cargo xtask lab down                  removes everything
Engine logs: {}/node*/dockerd.log
",
        logs.display()
    )
}
