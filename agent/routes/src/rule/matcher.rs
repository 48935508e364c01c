//! Matchers: what a rule says about one part of a request.

use super::error::RuleProblem;
use super::host::HostPattern;
use super::path::PathPattern;
use super::request::Request;
use super::text::{Regex, TextPattern, is_template};
use crate::path::NormalPath;
use http::{HeaderName, Method};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// What a rule says about one part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// It is for one of these hosts.
    Host(HostPattern),
    /// It has one of these paths.
    Path(PathPattern),
    /// It has this method.
    Method(Method),
    /// One of the fields of this name has one of these values.
    Header(HeaderName, TextPattern),
    /// One of the values that the query has for this key is one of these.
    Query(String, TextPattern),
    /// Its client has an address in this network.
    ClientIp(IpNet),
}

/// Names of matchers as they are written; version 2 has some others for the same.
pub(super) const NAMES: [&str; 11] = [
    "Host",
    "HostRegexp",
    "Path",
    "PathPrefix",
    "PathRegexp",
    "Method",
    "Header",
    "HeaderRegexp",
    "Query",
    "QueryRegexp",
    "ClientIP",
];

impl Matcher {
    pub(super) fn matches(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Host(pattern) => pattern.matches(request.host),
            Self::Path(pattern) => pattern.matches(request.path),
            Self::Method(method) => request.method == method,
            Self::Header(name, pattern) => {
                let mut values = request.headers.get_all(name).iter();
                values.any(|value| value.to_str().is_ok_and(|value| pattern.matches(value)))
            }
            Self::Query(key, pattern) => {
                let mut values = request.query_values(key);
                values.any(|value| pattern.matches(&value))
            }
            Self::ClientIp(network) => network.contains(&request.client),
        }
    }

    /// The matchers that `name(texts…)` stands for: any of them, but of a query all.
    pub(super) fn named(name: &str, texts: &[String]) -> Result<Vec<Self>, RuleProblem> {
        let each = |make: fn(&str) -> Result<Self, RuleProblem>| {
            if texts.is_empty() {
                return Err(arguments(name, "one text or more"));
            }
            texts.iter().map(|text| make(text)).collect()
        };
        match name.to_ascii_lowercase().as_str() {
            "host" | "hostheader" => each(host),
            "hostregexp" => each(|text| {
                let regex = if is_template(text) {
                    Regex::template(text, '.', true)?
                } else {
                    Regex::new(text)?
                };
                Ok(Self::Host(HostPattern::Regex(regex)))
            }),
            "path" => each(|text| path(text, true)),
            "pathprefix" => each(|text| path(text, false)),
            "pathregexp" => each(|text| Ok(Self::Path(PathPattern::Regex(Regex::new(text)?)))),
            "method" => each(|text| {
                let method = Method::from_bytes(text.as_bytes());
                method
                    .map(Self::Method)
                    .map_err(|_| RuleProblem::Method(text.to_owned()))
            }),
            "clientip" => each(client),
            "header" | "headers" => header(name, texts, exact),
            "headerregexp" | "headersregexp" => header(name, texts, regex),
            "query" => query(name, texts, exact),
            "queryregexp" => query(name, texts, regex),
            _ => Err(unknown(name)),
        }
    }
}

fn exact(text: &str) -> Result<TextPattern, RuleProblem> {
    Ok(TextPattern::Exact(text.to_owned()))
}

fn regex(text: &str) -> Result<TextPattern, RuleProblem> {
    Regex::new(text).map(TextPattern::Regex)
}

fn arguments(matcher: &str, wanted: &'static str) -> RuleProblem {
    RuleProblem::Arguments {
        matcher: matcher.to_owned(),
        wanted,
    }
}

fn unknown(name: &str) -> RuleProblem {
    let lower = name.to_ascii_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase());
    let near = NAMES.into_iter().min_by_key(distance);
    RuleProblem::UnknownMatcher {
        name: name.to_owned(),
        near: near.filter(|near| distance(near) <= 2),
    }
}

fn host(text: &str) -> Result<Matcher, RuleProblem> {
    let pattern = HostPattern::named(text);
    pattern
        .map(Matcher::Host)
        .ok_or_else(|| RuleProblem::Host(text.to_owned()))
}

fn path(text: &str, whole: bool) -> Result<Matcher, RuleProblem> {
    if text.starts_with('/') && is_template(text) {
        let regex = Regex::template(text, '/', whole)?;
        return Ok(Matcher::Path(PathPattern::Regex(regex)));
    }
    let path = NormalPath::written(text).map_err(|source| RuleProblem::Path {
        path: text.to_owned(),
        source,
    })?;
    Ok(Matcher::Path(if whole {
        PathPattern::Exact(path)
    } else {
        PathPattern::Prefix(path)
    }))
}

fn client(text: &str) -> Result<Matcher, RuleProblem> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    match (address, network) {
        (Ok(network), _) | (_, Ok(network)) => Ok(Matcher::ClientIp(network)),
        _ => Err(RuleProblem::Network(text.to_owned())),
    }
}

/// Makes a pattern of a text.
type Make = fn(&str) -> Result<TextPattern, RuleProblem>;

fn header(matcher: &str, texts: &[String], make: Make) -> Result<Vec<Matcher>, RuleProblem> {
    let [name, value] = texts else {
        return Err(arguments(matcher, "a field's name and its value"));
    };
    let field = HeaderName::from_bytes(name.as_bytes());
    let field = field.map_err(|_| RuleProblem::Header(name.clone()))?;
    Ok(vec![Matcher::Header(field, make(value)?)])
}

/// Version 3 has a key and its value, the empty one if it is left out; version 2 a list of `key=value`.
fn query(matcher: &str, texts: &[String], make: Make) -> Result<Vec<Matcher>, RuleProblem> {
    let pair = |key: &str, value: &str| Ok(Matcher::Query(key.to_owned(), make(value)?));
    let listed: Option<Vec<_>> = texts.iter().map(|text| text.split_once('=')).collect();
    match (texts, listed) {
        ([_, ..], Some(pairs)) => pairs
            .into_iter()
            .map(|(key, value)| pair(key, value))
            .collect(),
        ([key], None) => Ok(vec![Matcher::Query(key.clone(), exact("")?)]),
        ([key, value], None) => Ok(vec![pair(key, value)?]),
        _ => Err(arguments(matcher, "a key and its value")),
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(HostPattern::Exact(host)) => write!(f, "Host(`{host}`)"),
            Self::Host(HostPattern::Below(parent)) => write!(f, "Host(`*.{parent}`)"),
            Self::Host(HostPattern::Regex(regex)) => write!(f, "HostRegexp({})", quoted(regex)),
            Self::Path(PathPattern::Exact(path)) => write!(f, "Path({})", quote(path.as_str())),
            Self::Path(PathPattern::Prefix(path)) => {
                write!(f, "PathPrefix({})", quote(path.as_str()))
            }
            Self::Path(PathPattern::Regex(regex)) => write!(f, "PathRegexp({})", quoted(regex)),
            Self::Method(method) => write!(f, "Method(`{method}`)"),
            Self::Header(name, TextPattern::Exact(value)) => {
                write!(f, "Header(`{name}`, {})", quote(value))
            }
            Self::Header(name, TextPattern::Regex(regex)) => {
                write!(f, "HeaderRegexp(`{name}`, {})", quoted(regex))
            }
            Self::Query(key, TextPattern::Exact(value)) => {
                write!(f, "Query({}, {})", quote(key), quote(value))
            }
            Self::Query(key, TextPattern::Regex(regex)) => {
                write!(f, "QueryRegexp({}, {})", quote(key), quoted(regex))
            }
            Self::ClientIp(network) => write!(f, "ClientIP(`{network}`)"),
        }
    }
}

fn quoted(regex: &Regex) -> String {
    quote(regex.as_str())
}

/// A text as a rule has it.
fn quote(text: &str) -> String {
    if text.contains('`') {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    } else {
        format!("`{text}`")
    }
}
