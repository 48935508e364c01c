//! Reports of `lbctl` about single packets: explanations, flows, drops.

use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;
use lb_core::report::{Drops, Explanation, FlowState, Flows, Rule, Verdict};

use crate::lbctl::json;
use crate::shared_swarm;
use crate::tools::{served, task};

#[test]
fn a_connection_is_explained_and_listed_with_the_task_that_answers_it() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("looked-at")
        .replicas(3)
        .publish("8204:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        let peer = (node.addr, 8204);
        let to = format!("{}:{}/tcp", peer.0, peer.1);
        // The connection lives as long as its runtime goes on: what is asked, is asked in it.
        let looks = async {
            let mut kept = Connection::open(peer.into(), PATIENCE).await?;
            let who = kept.who().await?;
            let client = who.peer.to_string();
            let known: Explanation = json(node, &["explain", &client, &to]);
            let flows: Flows = json(node, &["flows", "--service", "looked-at"]);
            // It was open until now.
            kept.who().await?;
            Ok((who, known, flows))
        };
        let (who, known, flows) = swarm.client.block_on(looks).unwrap();
        let client = who.peer.to_string();
        assert_eq!(known.rule, Rule::KnownFlow, "{known:?}");
        assert_eq!(known.flow, Some(FlowState::Open));
        let answering = tasks.iter().find(|one| one.id == task(&who)).unwrap();
        assert_eq!(known.task, Some(format!("looked-at.{}", answering.slot)));
        assert_eq!(known.node, who.node);

        let listed = flows
            .flows
            .iter()
            .find(|flow| flow.client.to_string() == client);
        let listed = listed.unwrap();
        assert_eq!((&listed.task, &listed.node), (&known.task, &known.node));
        assert_eq!((listed.state, &listed.through), (FlowState::Open, &None));
        // To ask takes no turn: whom it names gets the next connection.
        let new: Explanation = json(node, &["explain", &CLIENT.to_string(), &to]);
        assert_eq!(
            (new.rule, new.ready),
            (Rule::RoundRobin, Some(3)),
            "{new:?}"
        );
        let next = swarm.client.who(peer).unwrap();
        let next = tasks.iter().find(|one| one.id == task(&next)).unwrap();
        assert_eq!(new.task, Some(format!("looked-at.{}", next.slot)));

        let nobodys = format!("{}:8999/tcp", node.addr);
        let nobody: Explanation = json(node, &["explain", &CLIENT.to_string(), &nobodys]);
        assert_eq!(
            (nobody.rule, nobody.verdict),
            (Rule::NotPublished, Verdict::Passed)
        );
        let drops: Drops = json(node, &["drops"]);
        assert!(drops.drops.iter().any(|drop| drop.reason == "unknown-task"));
    }
}
