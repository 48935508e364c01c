//! A host whose mounts are private, as without systemd or in a container: the engine refuses what asks for news
//! of mounts there.

use std::path::Path;

use harness::agents::by_mesh;
use harness::shared::{self, TestSwarm};

use crate::LAB;

#[test]
fn where_the_hosts_mounts_are_private_the_stack_is_deployed_as_the_readme_says() {
    if !shared::is_root() || by_mesh() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbpriv", 1).unwrap();
    let node = test.swarm.manager().unwrap();
    node.exec("mount", &["--make-private", "/run"]).unwrap();
    test.swarm.load_agent().unwrap();
    let run = ["run", "--rm", "--network", "none", "--volume"];
    let run = [
        &run[..],
        &["/run:/run:rslave", "swarmlb:latest", "--version"],
    ]
    .concat();
    let said = format!("{:?}", node.docker(&run).unwrap_err());
    assert!(said.contains("not a shared or slave mount"), "{said}");
    test.swarm.deploy_agents().unwrap();
    test.swarm.remove_agents().unwrap();
}
