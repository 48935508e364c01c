//! A node whose Docker keeps its data elsewhere than in `/var/lib/docker`.

use std::path::Path;

use harness::agents::by_mesh;
use harness::shared::{self, TestSwarm};

use crate::LAB;

/// The engine's data under another name, as where it was started with `--data-root`.
const DATA_ROOT: &str = "/run/data";

#[test]
fn where_docker_has_another_data_root_the_stack_is_deployed_as_the_readme_says() {
    if !shared::is_root() || by_mesh() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbdata", 1).unwrap();
    let node = test.swarm.manager().unwrap();
    node.exec("mkdir", &[DATA_ROOT]).unwrap();
    node.exec("mount", &["--bind", "/var/lib/docker", DATA_ROOT])
        .unwrap();
    test.swarm.load_agent().unwrap();
    test.swarm
        .deploy_agents_by(&[("SWARMLB_DATA_ROOT", DATA_ROOT)])
        .unwrap();
    let agent = node.agent().unwrap();
    let format = "{{range .Mounts}}{{.Source}}\n{{end}}";
    let mounts = node.docker(&["inspect", "--format", format, &agent]);
    let mounts = mounts.unwrap();
    let of_swarm: Vec<&str> = mounts
        .lines()
        .filter(|source| source.contains("/swarm/"))
        .collect();
    assert_eq!(of_swarm, [format!("{DATA_ROOT}/swarm/certificates")]);
    test.swarm.remove_agents().unwrap();
}
