//! Answers of the test service: one line of JSON per call, with the task that answered.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(super) struct Answer {
    task: String,
    node: String,
    client: String,
}

impl Answer {
    /// One answer per line.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>> {
        text.lines()
            .map(|line| {
                Self::parse(line).with_context(|| format!("not an answer of whoami: {line}"))
            })
            .collect()
    }

    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let field = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .context(name.to_owned())
        };
        let (task, node, client) = (field("task")?, field("node")?, field("peer")?);
        // `vote.3.k2j…`: the number tells people more than the id.
        let task = task.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let client = client
            .rsplit_once(':')
            .map_or(client.as_str(), |(address, _)| address)
            .to_owned();
        Ok(Self { task, node, client })
    }

    /// The name of the service that the task belongs to.
    fn service(&self) -> &str {
        self.task
            .split_once('.')
            .map_or(self.task.as_str(), |(service, _)| service)
    }
}

/// Answers of one service to a URL.
pub(super) struct Routed {
    /// The URL, as people know it.
    pub(super) url: String,
    /// The service that the URL belongs to.
    pub(super) service: &'static str,
    /// Who answered, in order.
    pub(super) answers: Vec<Answer>,
}

/// A line per called node, a column per call.
pub(super) fn table(seen: &[(&str, Vec<Answer>)]) -> String {
    let mut text = format!("{:<8}{}\n", "CALLED", "ANSWERED, in this order (task@node)");
    for (node, answers) in seen {
        let _ = writeln!(text, "{node:<8}{}", row(answers));
    }
    let clients: BTreeSet<&str> = seen
        .iter()
        .flat_map(|(_, answers)| answers)
        .map(|answer| answer.client.as_str())
        .collect();
    let clients: Vec<&str> = clients.into_iter().collect();
    let _ = writeln!(text, "The tasks saw the client as {}.", clients.join(", "));
    text
}

/// A line per URL, a column per call.
pub(super) fn routed_table(seen: &[Routed]) -> String {
    let mut text = format!(
        "{:<25}{}\n",
        "ASKED FOR", "ANSWERED, in this order (task@node)"
    );
    for routed in seen {
        let _ = writeln!(text, "{:<25}{}", routed.url, row(&routed.answers));
    }
    text
}

/// A column per answer: task and node.
fn row(answers: &[Answer]) -> String {
    let cells: String = answers
        .iter()
        .map(|answer| format!("{:<12}  ", format!("{}@{}", answer.task, answer.node)))
        .collect();
    cells.trim_end().to_owned()
}

/// No request may reach a task of another service than its URL belongs to.
pub(super) fn each_by_its_service(seen: &[Routed]) -> Result<()> {
    for Routed {
        url,
        service,
        answers,
    } in seen
    {
        if let Some(other) = answers.iter().find(|answer| answer.service() != *service) {
            bail!("{url} is answered by {} instead of {service}", other.task);
        }
    }
    Ok(())
}

/// As many calls as tasks have to reach every task once, through every node.
pub(super) fn every_task_in_turn(seen: &[(&str, Vec<Answer>)], tasks: usize) -> Result<()> {
    for (node, answers) in seen {
        let different: BTreeSet<&str> = answers.iter().map(|answer| answer.task.as_str()).collect();
        if different.len() != tasks {
            bail!(
                "{tasks} calls through {node} reached {} tasks instead of {tasks}",
                different.len()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: [u8; 2]) -> String {
        let line = |n| {
            format!(
                r#"{{"task":"vote.{n}.k2j","node":"node{n}","peer":"10.0.0.9:51000","hostname":"c"}}"#
            )
        };
        numbers.map(line).join("\n")
    }

    #[test]
    fn the_table_names_tasks_nodes_and_the_client() {
        let seen = [("node1", Answer::parse_all(&lines([1, 2])).unwrap())];
        let table = table(&seen);
        assert!(table.contains("vote.1@node1  vote.2@node2"), "{table}");
        assert!(table.contains("saw the client as 10.0.0.9."), "{table}");
    }

    #[test]
    fn a_task_that_answers_twice_in_a_round_is_a_failure() {
        let round = |numbers| [("node1", Answer::parse_all(&lines(numbers)).unwrap())];
        assert!(every_task_in_turn(&round([1, 2]), 2).is_ok());
        assert!(every_task_in_turn(&round([1, 1]), 2).is_err());
    }

    #[test]
    fn a_url_that_another_service_answers_is_a_failure() {
        let routed = |service| Routed {
            url: "http://vote.test/".to_owned(),
            service,
            answers: Answer::parse_all(&lines([1, 2])).unwrap(),
        };
        assert!(each_by_its_service(&[routed("vote")]).is_ok());
        assert!(each_by_its_service(&[routed("vote"), routed("shop")]).is_err());
        let table = routed_table(&[routed("vote")]);
        let line = "http://vote.test/        vote.1@node1  vote.2@node2";
        assert!(table.lines().any(|it| it == line), "{table}");
    }

    #[test]
    fn another_services_answer_is_an_error() {
        assert!(Answer::parse_all("It works!").is_err());
    }
}
