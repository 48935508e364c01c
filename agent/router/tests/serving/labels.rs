//! Every label that is served, by a real request: what the client gets, and what the task saw.

mod grpc;
mod headers;
mod interlock;
mod middlewares;
mod rules;
mod stacks;
mod traefik;

use crate::harness::{Answer, Client, Router, Task, certificate, service};

use std::path::Path;

/// A service with one task behind a router that has a certificate for `a.test`.
struct One {
    task: Task,
    router: Router,
    certificate: String,
}

impl One {
    /// With these labels, one a line: `label=value`.
    fn with(text: &str) -> Self {
        let task = Task::start();
        let services = [service("one", &labels(text), &[&task])];
        let mut pem = String::new();
        let prepare = |directory: &Path| pem = certificate(directory, "a", &["a.test"]);
        let router = Router::start_after(&services, &[], prepare);
        Self {
            task,
            router,
            certificate: pem,
        }
    }

    /// Sends a request to port 80 on a connection of its own; its lines, without `HTTP/1.1` and without an end.
    fn ask(&self, head: &str) -> Answer {
        Client::connect(self.router.http).ask(&request(head))
    }

    /// Sends a request by TLS for `a.test`.
    fn ask_tls(&self, head: &str) -> Answer {
        let (address, trusted) = (self.router.https, &self.certificate);
        Client::connect_tls(address, trusted, "a.test").ask(&request(head))
    }

    /// The task answers this request.
    fn serves(&self, head: &str) {
        let answer = self.ask(head);
        assert_eq!((answer.status, answer.task()), (200, self.task.key));
    }

    /// Nobody does.
    fn knows_nothing_of(&self, head: &str) {
        assert_eq!(self.ask(head).status, 404, "{head}");
    }
}

/// `GET /path host` and lines of fields: a request.
fn request(head: &str) -> String {
    let mut lines = head.lines().map(str::trim);
    let first: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, host] = first[..] else {
        panic!("{head}");
    };
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for line in lines {
        text += &format!("{line}\r\n");
    }
    text + "\r\n"
}

/// Labels, one a line.
pub(crate) fn labels(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once('=').unwrap()).collect()
}
