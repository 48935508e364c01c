//! What must hold of every request that the router writes to a task.

use super::parsers::{Read, Reading};

/// Names of fields that no task gets from a client of HTTP/1.1, WebSockets aside.
const NEVER: [&str; 9] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Fields that the router alone sets, as they are for a client on the loopback; once each.
const OWN: [(&str, Option<&str>); 6] = [
    ("x-forwarded-for", Some("127.0.0.1")),
    ("x-forwarded-host", None),
    ("x-forwarded-port", None),
    ("x-forwarded-proto", Some("http")),
    ("x-real-ip", Some("127.0.0.1")),
    ("x-request-id", None),
];

/// The one request that all find.
pub(crate) fn one(readings: &[(&str, Reading)]) -> Result<Read, String> {
    let mut found: Option<(&str, &Read)> = None;
    for (name, reading) in readings {
        // Some know a list of methods, and refuse others: that is no other reading.
        let says = |word| reading.error.as_ref().is_some_and(|it| it.contains(word));
        if says("METHOD") || says("Method") {
            continue;
        }
        if let Some(error) = &reading.error {
            return Err(format!("{name} says {error}"));
        }
        let [read] = reading.requests.as_slice() else {
            return Err(format!("{name} finds {} requests", reading.requests.len()));
        };
        if !read.whole || read.hosts.len() != 1 {
            return Err(format!("{name} reads {read:?}"));
        }
        match found {
            None => found = Some((name, read)),
            Some((other, first)) if first != read => {
                return Err(format!("{name} reads {read:?}, {other} reads {first:?}"));
            }
            Some(_) => {}
        }
    }
    found
        .map(|(_, read)| read.clone())
        .ok_or_else(|| "nobody reads it".into())
}

/// The fields of a head are such as a task may get.
pub(crate) fn fields(bytes: &[u8]) -> Result<(), String> {
    let shown = bytes.escape_ascii();
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return Ok(());
    };
    if head
        .replace("\r\n", "")
        .contains(|it: char| it.is_ascii_control() && it != '\t')
    {
        return Err(format!("a control character in a head: {shown}"));
    }
    let mut seen: Vec<(String, &str)> = Vec::new();
    for line in head.split("\r\n").skip(1) {
        let field = line.split_once(": ");
        let (name, value) = field.ok_or_else(|| format!("no field: {line:?} in {shown}"))?;
        seen.push((name.to_lowercase(), value));
    }
    let websocket = seen
        .iter()
        .any(|field| *field == ("upgrade".into(), "websocket"));
    for (name, value) in &seen {
        let allowed = (name == "te" && *value == "trailers")
            || (websocket && ["connection", "upgrade"].contains(&name.as_str()));
        if name.contains(['_', ' ']) || NEVER.contains(&name.as_str()) && !allowed {
            return Err(format!("{name} came through: {shown}"));
        }
    }
    for (own, expected) in OWN {
        let values: Vec<&str> = seen
            .iter()
            .filter(|(name, _)| name == own)
            .map(|(_, value)| *value)
            .collect();
        let [value] = values.as_slice() else {
            return Err(format!("{own} is {values:?}: {shown}"));
        };
        if expected.is_some_and(|expected| expected != *value) {
            return Err(format!("{own} is {value}: {shown}"));
        }
    }
    Ok(())
}
