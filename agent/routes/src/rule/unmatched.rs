//! Why a rule does not match a request: for people who ask.

use super::{Host, Matcher, Request, Rule};

impl Rule {
    /// The parts of the rule that keep the request out: matchers that do not match, and rules behind `!` that do. None if it
    /// matches.
    #[must_use]
    pub fn unmatched(&self, request: &Request<'_>) -> Vec<&Self> {
        if self.matches(request) {
            return Vec::new();
        }
        match self {
            Self::Matcher(_) | Self::Not(_) => vec![self],
            Self::All(rules) | Self::Any(rules) => {
                let rules = rules.iter();
                rules.flat_map(|rule| rule.unmatched(request)).collect()
            }
        }
    }

    /// Is there a request for this host that it matches, as far as its matchers of hosts say?
    #[must_use]
    pub fn may_match_host(&self, host: &Host) -> bool {
        self.of_host(host) != Some(false)
    }

    /// What the rule says of all requests for a host; `None`: of one this, of another that.
    fn of_host(&self, host: &Host) -> Option<bool> {
        match self {
            Self::Matcher(Matcher::Host(pattern)) => Some(pattern.matches(host)),
            Self::Matcher(_) => None,
            Self::Not(rule) => rule.of_host(host).map(|matches| !matches),
            Self::All(rules) => decided(rules, host, false),
            Self::Any(rules) => decided(rules, host, true),
        }
    }
}

/// `decisive` if one of the rules says that of the host, the contrary if all say that.
fn decided(rules: &[Rule], host: &Host, decisive: bool) -> Option<bool> {
    let mut all = Some(!decisive);
    for rule in rules {
        match rule.of_host(host) {
            Some(said) if said == decisive => return Some(decisive),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::NormalPath;
    use http::{HeaderMap, Method};
    use std::net::{IpAddr, Ipv4Addr};

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn the_parts_that_keep_a_request_out_are_named() {
        let request = Request {
            host: &Host::of("a.example").unwrap(),
            path: &NormalPath::of("/cart").unwrap(),
            query: "",
            method: &Method::GET,
            headers: &HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        for (text, expected) in [
            ("Host(`a.example`) && PathPrefix(`/cart`)", ""),
            (
                "Host(`a.example`) && PathPrefix(`/shop`) && Method(`POST`)",
                "PathPrefix(`/shop`) Method(`POST`)",
            ),
            ("Host(`a.example`) && !Path(`/cart`)", "!Path(`/cart`)"),
            (
                "Host(`b.example`, `c.example`)",
                "Host(`b.example`) Host(`c.example`)",
            ),
            // What matches is not named, though the list that it stands in does not.
            (
                "(Path(`/x`) || Path(`/y`)) && (Path(`/cart`) || Path(`/z`))",
                "Path(`/x`) Path(`/y`)",
            ),
        ] {
            let rule = rule(text);
            let parts = rule.unmatched(&request);
            let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            assert_eq!(parts.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_is_of_a_host_unless_its_matchers_of_hosts_say_no() {
        for (text, expected) in [
            ("Host(`a.example`)", true),
            ("Host(`*.example`)", true),
            ("HostRegexp(`^a`)", true),
            ("PathPrefix(`/x`)", true),
            ("Host(`a.example`) && Path(`/x`)", true),
            ("Host(`b.example`)", false),
            ("Host(`b.example`) && Path(`/x`)", false),
            ("Host(`b.example`) || Path(`/x`)", true),
            ("Host(`b.example`) || HostRegexp(`^c`)", false),
            ("!Host(`a.example`)", false),
            ("!Host(`b.example`)", true),
            ("!(Host(`a.example`) && Path(`/x`))", true),
        ] {
            let host = Host::of("a.example").unwrap();
            assert_eq!(rule(text).may_match_host(&host), expected, "{text}");
        }
    }
}
