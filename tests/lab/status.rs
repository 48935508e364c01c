//! What `lab status` shows.

use std::fmt::Write as _;

use harness::node::Node;
use harness::swarm::Swarm;
use harness::topology::CLIENT;

/// The laboratory in words: nodes, services, next steps.
pub(crate) fn describe(swarm: &Swarm) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<8} {:<12} {:<9} ENGINE", "NODE", "ADDRESS", "ROLE");
    for (index, node) in swarm.nodes.iter().enumerate() {
        let is_manager = index < usize::from(swarm.description().managers);
        let role = if is_manager { "manager" } else { "worker" };
        let _ = writeln!(text, "{:<8} {:<12} {role:<9} {}", node.name, node.addr, engine(node));
    }
    let _ = writeln!(text, "{:<8} {CLIENT:<12} outside", "client");
    if let Some(services) = services(swarm) {
        let _ = writeln!(text, "\n{services}");
    }
    let _ = write!(text, "{}", next_steps(swarm));
    text
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
    let table = manager.docker(&["service", "ls", "--format", format]).ok()?;
    (table.lines().count() > 1).then_some(table)
}

fn next_steps(swarm: &Swarm) -> String {
    let logs = swarm.dir().join(format!("{}.lab", swarm.description().prefix));
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
