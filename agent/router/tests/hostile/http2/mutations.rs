//! The requests of the table of HTTP/2 with bytes of their fields and bodies changed, from a seed.

use super::cases::{self, End, Fields, end};
use super::frames::{Connection, GET};
use crate::mutations::{mutate, random};
use crate::site::Site;
use std::time::{Duration, Instant};

/// How many, unless time runs out.
const MUTATIONS: usize = 1_500;
/// How long at most.
const TIME: Duration = Duration::from_secs(25);

#[test]
fn http2_with_mistakes_becomes_one_request_or_none() {
    let mut site = match Site::start() {
        Ok(site) => site,
        Err(why) => return lb_support::not_tested("mutations of hostile HTTP/2", &why),
    };
    let (seed, mut random) = random();
    let requests = cases::requests();
    let begin = Instant::now();
    let (mut sent, mut passed) = (0, 0);
    while sent < MUTATIONS && begin.elapsed() < TIME {
        let mut request = requests[random.usize(..requests.len())].clone();
        match (&mut request.body, &mut request.trailers) {
            (_, Some(trailers)) if random.bool() => mutate_fields(trailers, &mut random),
            (Some(body), _) if random.u8(..4) == 0 => mutate(body, &mut random),
            _ => mutate_fields(&mut request.head, &mut random),
        }
        let mut connection = Connection::open(site.router.http, &[]);
        connection.send(&request.frames());
        let ended = end(&mut connection, 1);
        let mut next = GET;
        next[3].1 = b"/next";
        let went_on =
            connection.request(3, &next) && matches!(end(&mut connection, 3), End::Answered(200));
        let outcome = site.outcome(None).and_then(|outcome| {
            let one = outcome.forwarded.len() <= 1 && outcome.next == went_on;
            if one {
                Ok(outcome)
            } else {
                Err(outcome.bytes.escape_ascii().to_string())
            }
        });
        match outcome {
            Ok(outcome) => passed += outcome.forwarded.len(),
            Err(why) => panic!("seed {seed}, number {sent}: {why}; {ended:?}, sent: {request:?}"),
        }
        sent += 1;
    }
    // If nothing passes, nothing is compared.
    assert!(
        sent >= 100 && passed * 10 > sent,
        "seed {seed}: {passed} of {sent} passed"
    );
}

fn mutate_fields(fields: &mut Fields, random: &mut fastrand::Rng) {
    let at = random.usize(..fields.len());
    match random.u8(..8) {
        // A block of no bytes has no frame.
        0 if fields.len() > 1 => drop(fields.remove(at)),
        1 => {
            let to = random.usize(..=fields.len());
            fields.insert(to, fields[at].clone());
        }
        2 | 3 => mutate(&mut fields[at].0, random),
        _ => mutate(&mut fields[at].1, random),
    }
}
