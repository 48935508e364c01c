//! A tenant builds an image with the label by which Swarm marks a task's container, and somebody runs it:
//! it is not that task.

use harness::acceptance::{everywhere, served, task};
use harness::containers::{container, home};
use harness::node::Node;
use harness::service::{ServiceSpec, Task};
use harness::swarm::Swarm;

use crate::shared_swarm;

const LABEL: &str = "com.docker.swarm.task.id";

/// A container of an image that has a task's label, on that task's node; removed with this value.
struct Impostor<'a> {
    node: &'a Node,
    image: String,
    container: String,
}

impl<'a> Impostor<'a> {
    fn of(swarm: &'a Swarm, victim: &Task) -> Self {
        let node = home(swarm, victim).unwrap();
        let image = format!("impostor:{}", victim.id);
        // As `LABEL` in a Dockerfile, for which a builder would be needed.
        let label = format!("LABEL {LABEL}={}", victim.id);
        let from = container(victim).unwrap();
        node.docker(&["commit", "--change", &label, from, &image])
            .unwrap();
        let run = ["run", "--detach", "--env", "TASK=impostor", &image];
        let container = node.docker(&run).unwrap().trim().to_owned();
        let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
        let inspect = ["inspect", "--format", &format, &container];
        assert_eq!(node.docker(&inspect).unwrap().trim(), victim.id);
        Self {
            node,
            image,
            container,
        }
    }

    fn dies(&self) {
        self.node.docker(&["kill", &self.container]).unwrap();
    }
}

impl Drop for Impostor<'_> {
    fn drop(&mut self) {
        let _ = self.node.docker(&["rm", "--force", &self.container]);
        let _ = self.node.docker(&["rmi", &self.image]);
    }
}

/// Returns once the agents have heard of all that happened to containers of the node: of a task that
/// starts there now they hear later.
fn heard(swarm: &Swarm, node: &str, port: u16) {
    let spec = ServiceSpec::named(&format!("later-{port}"))
        .on_node(node)
        .publish(&format!("{port}:80"));
    let _ = served(swarm, &spec, 1);
}

#[test]
fn an_image_with_a_tasks_label_neither_answers_for_the_task_nor_ends_it() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("labelled")
        .on_node("node2")
        .publish("8450:80");
    let (_service, tasks) = served(&swarm, &spec, 1);
    let victim = &tasks[0];
    let answers = |when: &str| {
        for peer in everywhere(&swarm, 8450) {
            for _ in 0..4 {
                let who = swarm.client.who(peer);
                let who = who.unwrap_or_else(|error| panic!("{when}, {peer}: {error:#}"));
                assert_eq!(task(&who), victim.id, "{when}, at {peer}");
            }
        }
    };
    answers("before");
    let impostor = Impostor::of(&swarm, victim);
    heard(&swarm, "node2", 8451);
    answers("beside a container that says that it is this task");
    impostor.dies();
    heard(&swarm, "node2", 8451);
    answers("after that one's death");
}
