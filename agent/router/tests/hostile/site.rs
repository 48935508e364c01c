//! A router, one task behind it that records, and the parsers.

use super::backend::{Backend, Seen};
use super::hyper_parser;
use super::oracle;
use super::parsers::{self, Parser, Read};
use super::raw::{Answer, answers, exchange};
use crate::harness::{Client, Router, Task, service};

/// Labels of the service.
pub(crate) const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

/// What follows every case on its connection.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// The whole.
pub(crate) struct Site {
    pub(crate) router: Router,
    backend: Backend,
    /// Another client, whose connection lasts.
    other: Client,
    parsers: Vec<Parser>,
    asked: usize,
    /// Connections to the task on which a request broke off.
    broken: Vec<usize>,
}

/// What became of the bytes that a client sent.
pub(crate) struct Outcome {
    /// What the client got.
    pub(crate) answers: Vec<Answer>,
    /// Its requests as the task got them; what follows the case not among them.
    pub(crate) forwarded: Vec<Read>,
    /// All bytes that came to the task.
    pub(crate) bytes: Vec<u8>,
    /// What follows the case was answered.
    pub(crate) next: bool,
    /// Beginnings of requests that the task got.
    pub(crate) parts: Vec<String>,
}

impl Site {
    /// Starts all of it; why not, where the parsers of others are not installed.
    pub(crate) fn start() -> Result<Self, String> {
        let parsers = parsers::start_all()?;
        let task = Task::absent();
        let backend = Backend::start(task.address);
        let router = Router::start(&[service("a", &LABELS, &[&task])]);
        let other = Client::connect(router.http);
        Ok(Self {
            router,
            backend,
            other,
            parsers,
            asked: 0,
            broken: Vec::new(),
        })
    }

    /// Sends bytes of a client, and a request behind them; what became of them, or what must not be. `cuts`: where there
    /// is a pause in them.
    pub(crate) fn send(&mut self, bytes: &[u8], cuts: &[usize]) -> Result<Outcome, String> {
        let sent = [bytes, NEXT].concat();
        let (mut pieces, mut begin) = (Vec::new(), 0);
        for cut in cuts {
            pieces.push(&sent[begin..*cut]);
            begin = *cut;
        }
        pieces.push(&sent[begin..]);
        let came = exchange(self.router.http, &pieces);
        let answers = answers(&came)?;
        self.outcome(Some(answers))
    }

    /// What has become of what a client sent, who got these answers; none: the caller compares them.
    pub(crate) fn outcome(&mut self, answers: Option<Vec<Answer>>) -> Result<Outcome, String> {
        self.asked += 1;
        let clean = format!("/other-{}", self.asked);
        let answer = self.other.get("a.test", &clean);
        let mut seen = self.backend.take();
        let of_other = seen
            .whole
            .pop()
            .ok_or("the other client's request is lost")?;
        let expected = format!("GET {clean} HTTP/1.1\r\n");
        let number = of_other.number.to_string();
        if !of_other.bytes.starts_with(expected.as_bytes()) || answer.field("x-record") != [number]
        {
            return Err(format!(
                "the other client's request came as {}, and was answered by {answer:?}",
                of_other.bytes.escape_ascii()
            ));
        }
        oracle::fields(&of_other.bytes)?;
        self.connections(&seen)?;
        let (mut forwarded, mut bytes) = (Vec::new(), Vec::new());
        for record in &seen.whole {
            oracle::fields(&record.bytes)?;
            forwarded.push(self.read(&record.bytes)?);
            bytes.extend_from_slice(&record.bytes);
        }
        for (_, part) in &seen.parts {
            oracle::fields(part)?;
            bytes.extend_from_slice(part);
        }
        let numbers: Vec<usize> = seen.whole.iter().map(|it| it.number).collect();
        let answered: Vec<usize> = match &answers {
            Some(answers) => answers.iter().filter_map(|it| it.record).collect(),
            None => numbers.clone(),
        };
        let answers = answers.unwrap_or_default();
        if !numbers.starts_with(&answered) {
            return Err(format!("requests {numbers:?}, answers {answers:?}"));
        }
        let shown = |part: &(usize, Vec<u8>)| part.1.escape_ascii().to_string();
        let is_next = |read: &Read| read.target == "/next";
        let next = forwarded.last().is_some_and(is_next);
        if next {
            forwarded.pop();
            if answered.len() != numbers.len() {
                return Err("what follows got no answer of its own".into());
            }
        }
        Ok(Outcome {
            answers,
            forwarded,
            bytes,
            next,
            parts: seen.parts.iter().map(shown).collect(),
        })
    }

    /// No connection on which a request broke off bears another one.
    fn connections(&mut self, seen: &Seen) -> Result<(), String> {
        for record in &seen.whole {
            if self.broken.contains(&record.connection) {
                return Err(format!(
                    "after a beginning of a request came {}",
                    record.bytes.escape_ascii()
                ));
            }
        }
        self.broken.retain(|number| seen.open.contains(number));
        let parts = seen.parts.iter().map(|(number, _)| *number);
        self.broken.extend(parts);
        Ok(())
    }

    /// The one request that all parsers find in bytes.
    fn read(&mut self, bytes: &[u8]) -> Result<Read, String> {
        for parser in &mut self.parsers {
            parser.feed(bytes);
        }
        let mut readings = vec![("hyper", hyper_parser::read(bytes))];
        for parser in &mut self.parsers {
            readings.push((parser.name, parser.reading()));
        }
        oracle::one(&readings).map_err(|why| format!("{why} in {}", bytes.escape_ascii()))
    }
}
