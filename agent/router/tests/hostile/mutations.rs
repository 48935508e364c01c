//! Requests and cases with bytes and lines deleted, inserted, doubled and exchanged, from a seed.

use super::cases::{self, Expected};
use super::site::Site;
use std::time::{Duration, Instant};

/// How many, unless time runs out.
const MUTATIONS: usize = 3_000;
/// How long at most.
const TIME: Duration = Duration::from_secs(45);

/// Bytes on which parsers differ.
const INSERTED: [&[u8]; 22] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b",",
    b";",
    b"0",
    b"5",
    b"x",
    b"-",
    b"_",
    b"\x80",
    b"\x7f",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a.test\r\n",
    b"0\r\n\r\n",
];

#[test]
fn requests_with_mistakes_are_read_in_one_way_or_not_at_all() {
    let mut site = match Site::start() {
        Ok(site) => site,
        Err(why) => return lb_support::not_tested("mutations of hostile requests", &why),
    };
    let (seed, mut random) = random();
    let cases: Vec<Vec<u8>> = cases::all()
        .into_iter()
        .filter(|case| case.bytes.len() < 1_000)
        // What passes as it is, is nearest to what may pass with a mistake.
        .flat_map(|case| match case.expected {
            Expected::Passes { .. } => vec![case.bytes.clone(), case.bytes],
            _ => vec![case.bytes],
        })
        .collect();
    let begin = Instant::now();
    let (mut sent, mut passed) = (0, 0);
    while sent < MUTATIONS && begin.elapsed() < TIME {
        let mut bytes = cases[random.usize(..cases.len())].clone();
        for _ in 0..random.usize(1..4) {
            mutate(&mut bytes, &mut random);
        }
        let mut cuts = Vec::new();
        if random.u8(..8) == 0 {
            cuts.push(random.usize(..=bytes.len()));
        }
        match site.send(&bytes, &cuts) {
            Ok(outcome) => passed += outcome.forwarded.len(),
            Err(why) => panic!(
                "seed {seed}, number {sent}: {why}; sent: {}",
                bytes.escape_ascii()
            ),
        }
        sent += 1;
    }
    // If nothing passes, nothing is compared.
    assert!(
        sent >= 200 && passed * 10 > sent,
        "seed {seed}: {passed} of {sent} passed"
    );
}

/// A seed, `SWARMLB_HOSTILE_SEED` if it is set, and what comes of it.
pub(crate) fn random() -> (u64, fastrand::Rng) {
    let seed = std::env::var("SWARMLB_HOSTILE_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    (seed, fastrand::Rng::with_seed(seed))
}

/// Makes one mistake.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    match random.u8(..8) {
        0 => drop(bytes.remove(at)),
        1 => bytes.insert(at, bytes[at]),
        2 => bytes[at] = random.u8(..),
        3 => bytes[at] ^= 0x20,
        4 => {
            let other = random.usize(..bytes.len());
            bytes.swap(at, other);
        }
        5 => {
            let inserted = INSERTED[random.usize(..INSERTED.len())];
            bytes.splice(at..at, inserted.iter().copied());
        }
        doubled => {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            let mut lines: Vec<Vec<u8>> = lines.into_iter().map(<[u8]>::to_vec).collect();
            let line = random.usize(..lines.len());
            if doubled == 6 {
                lines.remove(line);
            } else {
                let to = random.usize(..=lines.len());
                lines.insert(to, lines[line].clone());
            }
            *bytes = lines.concat();
        }
    }
}
