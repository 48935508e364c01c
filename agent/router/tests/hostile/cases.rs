//! The table of cases: files in `cases`, a line each.
//!
//! `name | section of the RFC | what has to become of it | bytes`. In the bytes `\r \n \t \0 \\ \xHH` are as in Rust,
//! `{text*N}` is a text N times, and `$G`, `$P`, `$H` begin what most cases have.

/// What has to become of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The router answers with this status, and the task gets nothing.
    Refused(u16),
    /// The task gets this one request. Where `closes`, nothing that follows is read.
    Passes {
        method: String,
        target: String,
        body: Vec<u8>,
        closes: bool,
    },
    /// It has no end: what follows belongs to it. The task gets no whole request, and the connection ends.
    Cut,
    /// Not a byte of it is answered, the connection is closed.
    Closed,
}

/// A case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    pub(crate) expected: Expected,
    pub(crate) bytes: Vec<u8>,
}

const FILES: [&str; 6] = [
    include_str!("cases/request-line.txt"),
    include_str!("cases/fields.txt"),
    include_str!("cases/content-length.txt"),
    include_str!("cases/transfer-encoding.txt"),
    include_str!("cases/chunks.txt"),
    include_str!("cases/connection.txt"),
];

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let lines = FILES.iter().flat_map(|file| file.lines());
    let cases = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    cases.map(case).collect()
}

fn case(line: &'static str) -> Case {
    let mut columns = line.splitn(4, " | ");
    let mut column = || {
        columns
            .next()
            .unwrap_or_else(|| panic!("no column: {line}"))
    };
    let (name, section) = (column(), column());
    Case {
        name,
        section,
        expected: expected(column()),
        bytes: bytes(column()),
    }
}

/// What a column says.
pub(crate) fn expected(text: &str) -> Expected {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["cut"] => Expected::Cut,
        ["closed"] => Expected::Closed,
        [kind @ ("ok" | "last"), rest @ ..] => Expected::Passes {
            method: (*rest.first().unwrap_or(&"GET")).to_owned(),
            target: String::from_utf8(bytes(rest.get(1).unwrap_or(&"/"))).unwrap(),
            body: rest.get(2).map_or_else(Vec::new, |body| bytes(body)),
            closes: *kind == "last",
        },
        [status] => Expected::Refused(status.parse().unwrap_or_else(|_| panic!("{text}"))),
        _ => panic!("{text}"),
    }
}

/// The bytes that a text stands for.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\\' => {
                let escape = rest.chars().next().unwrap();
                rest = &rest[1..];
                bytes.push(match escape {
                    'r' => b'\r',
                    'n' => b'\n',
                    't' => b'\t',
                    '0' => 0,
                    '\\' => b'\\',
                    'x' => {
                        let (digits, after) = rest.split_at(2);
                        rest = after;
                        u8::from_str_radix(digits, 16).unwrap()
                    }
                    _ => panic!("\\{escape} in {text}"),
                });
            }
            '{' => {
                let (inner, after) = rest.split_once('}').unwrap();
                rest = after;
                let (what, times) = inner.rsplit_once('*').unwrap();
                bytes.extend(self::bytes(what).repeat(times.parse().unwrap()));
            }
            '$' => {
                let letter = rest.chars().next().unwrap();
                rest = &rest[1..];
                bytes.extend_from_slice(match letter {
                    'G' => b"GET / HTTP/1.1\r\nHost: a.test\r\n",
                    'P' => b"POST / HTTP/1.1\r\nHost: a.test\r\n",
                    'H' => b"Host: a.test\r\n",
                    _ => panic!("${letter} in {text}"),
                });
            }
            other => bytes.extend_from_slice(other.to_string().as_bytes()),
        }
    }
    bytes
}
