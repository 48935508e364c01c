//! The requests that an agent sends to its engine: the filter passes these and no others.
//!
//! The filter sends the texts of this module to the engine, not the client's own bytes, except for the time from
//! which events are wanted.

use crate::watch::engine_api::TASK_CONTAINERS;
use hyper::{Method, Uri};
use std::borrow::Cow;

/// Query with the types and actions of events (`watch/events.rs`), whatever the client's query says.
const EVENTS: &str = "filters=%7B%22type%22%3A%5B%22container%22%2C%22service%22%2C%22node%22%5D%2C\
%22event%22%3A%5B%22start%22%2C%22kill%22%2C%22die%22%2C%22health_status%22%2C%22create%22%2C%22update%22%2C%22remove%22%5D%7D";

/// Requests without a parameter of the client.
const FIXED: [&str; 8] = [
    "/_ping",
    "/info",
    "/services",
    "/tasks",
    "/nodes",
    TASK_CONTAINERS,
    "/networks/docker_gwbridge",
    "/networks/bridge",
];

/// A request of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A request with one answer.
    Fixed(&'static str),
    /// The event stream.
    Events {
        /// Time of the first event: seconds and nanoseconds (Unix), in decimals.
        since: String,
    },
}

impl Asked {
    /// The request with this method and URI, if an agent sends such requests.
    pub(super) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        // With an authority it would be for a proxy.
        if method != Method::GET || uri.authority().is_some() {
            return None;
        }
        if uri.path() == "/events" {
            let since = since(uri.query()?)?;
            return Some(Self::Events { since });
        }
        let asked = uri.path_and_query()?.as_str();
        let fixed = FIXED.into_iter().find(|fixed| *fixed == asked)?;
        Some(Self::Fixed(fixed))
    }

    /// Path and query for the engine.
    pub(super) fn path(&self) -> Cow<'static, str> {
        match self {
            Self::Fixed(path) => Cow::Borrowed(path),
            Self::Events { since } => Cow::Owned(format!("/events?since={since}&{EVENTS}")),
        }
    }
}

/// The time in a query.
fn since(query: &str) -> Option<String> {
    let since = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("since="))?;
    let decimal = |digits: &str| {
        (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (seconds, nanoseconds) = since.split_once('.')?;
    (decimal(seconds) && decimal(nanoseconds)).then(|| since.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::events;

    fn asked(method: &Method, uri: &str) -> Option<Asked> {
        Asked::of(method, &uri.parse().unwrap())
    }

    #[test]
    fn the_agents_own_questions_are_known() {
        for path in FIXED {
            assert_eq!(asked(&Method::GET, path).unwrap().path(), path);
        }
        let events = asked(&Method::GET, "/events?since=17.000000005&filters=%7B%7D").unwrap();
        assert_eq!(
            events.path(),
            format!("/events?since=17.000000005&{EVENTS}")
        );
    }

    #[test]
    fn events_are_those_that_the_agent_reads() {
        let words = [("%7B", "{"), ("%7D", "}"), ("%5B", "["), ("%5D", "]")];
        let more = [("%22", "\""), ("%3A", ":"), ("%2C", ",")];
        let decode = |text: String, (code, sign): (&str, &str)| text.replace(code, sign);
        let decoded = words
            .into_iter()
            .chain(more)
            .fold(EVENTS.to_owned(), decode);
        let filters = decoded.strip_prefix("filters=").unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(filters).unwrap(),
            serde_json::json!({ "type": events::TYPES, "event": events::ACTIONS })
        );
    }

    #[test]
    fn nothing_else_is() {
        for path in FIXED {
            for method in [
                Method::POST,
                Method::PUT,
                Method::DELETE,
                Method::HEAD,
                Method::CONNECT,
                Method::OPTIONS,
            ] {
                assert_eq!(asked(&method, path), None, "{method} {path}");
            }
        }
        for path in [
            "/",
            "/containers/json",
            "/containers/json?all=1",
            "/containers/0123/json",
            "/containers/create",
            "/v1.41/info",
            "//info",
            "/info/",
            "/info?x",
            "/./info",
            "/services/../info",
            "/%69nfo",
            "/services?status=true",
            "/services/web",
            "/secrets",
            "/swarm",
            "/networks/ingress",
            "/networks/bridge?verbose=true",
            "/images/json",
            "/events",
            "/events?filters=%7B%7D",
            "/events?since=",
            "/events?since=17",
            "/events?since=1.",
            "/events?since=1.2%0d%0a",
            "/events?since=-1.2",
            "/events?since=1.2.3",
            "/events?until=1.2",
            "http://docker/info",
        ] {
            assert_eq!(asked(&Method::GET, path), None, "{path}");
        }
    }
}
