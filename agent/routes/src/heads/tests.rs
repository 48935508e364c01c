mod checked;
mod fields;
mod origin;

use super::*;
use http::{HeaderMap, Method, Uri, Version};

/// Header fields, as `name: value` a line.
fn fields(text: &str) -> HeaderMap {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// The fields as `name: value` a line, in the order of names.
fn text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines.join("\n")
}

/// What the check says of a request, with its fields.
fn checked(
    method: &str,
    uri: &str,
    version: Version,
    headers: &HeaderMap,
) -> Result<Checked, Refusal> {
    check(Head {
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        uri: &uri.parse::<Uri>().unwrap(),
        version,
        headers,
        protocol: None,
    })
}
