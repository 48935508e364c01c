//! Every case of the table of HTTP/2.

use super::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, Event, Field, GET, HEADERS, block,
    frame,
};
use crate::cases::{Case, Expected, bytes, expected};
use crate::http1::as_expected;
use crate::raw::Answer;
use crate::site::{Outcome, Site};

const TABLE: &str = include_str!("../cases/http2.txt");

/// How a request ended for its client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an answer.
    Answered(u16),
    /// By an error of the stream or the connection.
    Error,
}

#[test]
fn what_http1_could_read_in_two_ways_reaches_no_task_by_http2() {
    let mut site = match Site::start() {
        Ok(site) => site,
        Err(why) => return lb_support::not_tested("the table of hostile HTTP/2", &why),
    };
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in lines {
        count += 1;
        if let Err(why) = case(&mut site, line) {
            wrong.push(format!("{}: {why}", line.split(" | ").next().unwrap()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn case(site: &mut Site, line: &'static str) -> Result<(), String> {
    let columns: Vec<&str> = line.split(" | ").collect();
    let mut connection = Connection::open(site.router.http, &[]);
    connection.send(&Request::of(&columns[3..]).frames());
    let end = end(&mut connection, 1);
    let mut next = GET;
    next[3].1 = b"/next";
    let went_on =
        connection.request(3, &next) && self::end(&mut connection, 3) == End::Answered(200);
    let outcome = site.outcome(None)?;
    if outcome.next != went_on {
        return Err(format!(
            "what follows was answered: {went_on}, and came: {}",
            outcome.next
        ));
    }
    let nothing = outcome.forwarded.is_empty() && outcome.parts.is_empty();
    let wanted = match columns[2] {
        "reset" => {
            return match (end, nothing) {
                (End::Error, true) => Ok(()),
                (end, _) => Err(format!("{end:?}, {}", outcome.bytes.escape_ascii())),
            };
        }
        "cut" if outcome.forwarded.is_empty() => return Ok(()),
        other => expected(other),
    };
    let status = match end {
        End::Answered(status) => status,
        End::Error => 0,
    };
    // The table of HTTP/1.1 has two answers, in their order.
    let record = matches!(wanted, Expected::Passes { .. }).then_some(0);
    let mut answers = vec![Answer { status, record }];
    answers.extend(went_on.then_some(Answer {
        status: 200,
        record: Some(0),
    }));
    let case = Case {
        name: columns[0],
        section: columns[1],
        expected: wanted,
        bytes: Vec::new(),
    };
    as_expected(&case, &Outcome { answers, ..outcome })
}

/// Fields, as they are sent.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request: its fields, before and after its body.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: Fields,
    pub(super) body: Option<Vec<u8>>,
    pub(super) trailers: Option<Fields>,
}

impl Request {
    /// Of the columns of a case: fields, body, trailers.
    pub(super) fn of(columns: &[&str]) -> Self {
        let post = ":method=POST~:scheme=http~:authority=a.test~:path=/";
        let get = ":method=GET~:scheme=http~:authority=a.test~:path=/";
        let text = columns[0].replace("$P", post).replace("$G", get);
        // Fields are repeated before they are taken apart.
        let text = match text.split_once("{~") {
            Some((before, repeated)) => {
                let (what, times) = repeated.trim_end_matches('}').rsplit_once('*').unwrap();
                before.to_owned() + &format!("~{what}").repeat(times.parse().unwrap())
            }
            None => text,
        };
        Self {
            head: fields(&text),
            body: columns.get(1).map(|body| bytes(body)),
            trailers: columns.get(2).map(|trailers| fields(trailers)),
        }
    }

    /// Its frames, on the first stream.
    pub(super) fn frames(&self) -> Vec<u8> {
        let end = |last: bool| if last { END_STREAM } else { 0 };
        let mut sent = headers(
            &self.head,
            end(self.body.is_none() && self.trailers.is_none()),
        );
        if let Some(body) = &self.body {
            sent.extend(frame(DATA, end(self.trailers.is_none()), 1, body));
        }
        if let Some(trailers) = &self.trailers {
            sent.extend(headers(trailers, END_STREAM));
        }
        sent
    }
}

/// The requests of the table; more often those that pass, which are nearest to what may pass with a mistake.
pub(super) fn requests() -> Vec<Request> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let columns = lines.map(|line| line.split(" | ").collect::<Vec<&str>>());
    let weighed = columns.flat_map(|columns| {
        let times = if columns[2].starts_with("ok") { 4 } else { 1 };
        vec![Request::of(&columns[3..]); times]
    });
    weighed.collect()
}

/// The fields that a text names.
fn fields(text: &str) -> Fields {
    let field = |field: &str| {
        // No name has `=`.
        let (name, value) = field.split_once('=').unwrap();
        (bytes(name), bytes(value))
    };
    text.split('~').map(field).collect()
}

/// HEADERS of the first stream, and what of them CONTINUATION needs to bear.
fn headers(fields: &Fields, end: u8) -> Vec<u8> {
    let fields = fields.iter();
    let fields: Vec<Field<'_>> = fields
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .collect();
    let block = block(&fields);
    let mut pieces = block.chunks(16 << 10).peekable();
    let (mut frames, mut kind, mut flags) = (Vec::new(), HEADERS, end);
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        frames.extend(frame(kind, flags, 1, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    frames
}

pub(super) fn end(connection: &mut Connection, stream: u32) -> End {
    let mut answered = None;
    loop {
        match connection.event(stream) {
            Event::Status(status, ends) => {
                answered = Some(status);
                if ends {
                    return End::Answered(status);
                }
            }
            Event::Data(_, true) => return End::Answered(answered.unwrap()),
            Event::Data(..) => {}
            Event::Reset(_) | Event::GoAway(_) | Event::Closed => {
                return answered.map_or(End::Error, End::Answered);
            }
        }
    }
}
