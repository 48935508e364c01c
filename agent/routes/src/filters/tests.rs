mod auth;
mod cors;
mod order;

use super::*;
use crate::answers::Answer;
use crate::labels::declared;
use crate::path::NormalPath;
use crate::route::Filter;
use crate::rule::Host;
use http::{HeaderMap, Method};

/// The filters that settings of middlewares declare, as `KIND.SETTING=value` a line, in the order of the lines' middlewares:
/// each line is a middleware of its own, unless it begins with `+`.
fn filters(text: &str) -> Vec<Filter> {
    let mut labels = vec![
        (
            "traefik.http.services.x.loadbalancer.server.port".to_owned(),
            "80".to_owned(),
        ),
        (
            "traefik.http.routers.x.rule".to_owned(),
            "Host(`a`)".to_owned(),
        ),
    ];
    let mut names = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !line.starts_with('+') {
            names.push(format!("m{}", names.len()));
        }
        let (setting, value) = line.trim_start_matches('+').split_once('=').unwrap();
        let name = names.last().unwrap();
        labels.push((
            format!("traefik.http.middlewares.{name}.{setting}"),
            value.to_owned(),
        ));
    }
    labels.push((
        "traefik.http.routers.x.middlewares".to_owned(),
        names.join(","),
    ));
    let declared = declared("shop", &labels.into_iter().collect());
    assert_eq!(declared.problems, []);
    declared.routes.into_iter().next().unwrap().filters
}

fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// A request in its way through filters.
struct Sent {
    method: Method,
    path: &'static str,
    https: bool,
    headers: HeaderMap,
    client: &'static str,
}

impl Default for Sent {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "/",
            https: false,
            headers: HeaderMap::new(),
            client: "192.0.2.1",
        }
    }
}

impl Sent {
    fn chain<'r>(&self, filters: &'r [Filter]) -> Chain<'r> {
        let path = NormalPath::of(self.path).unwrap();
        Chain::new(filters, path, self.https, &self.headers)
    }

    /// The filters' next step, and with a password, that after its comparison.
    fn run<'r>(&mut self, chain: &mut Chain<'r>) -> Step<'r> {
        let mut request = Request {
            method: &self.method,
            host: &Host::of("a").unwrap(),
            query: Some("q=1"),
            headers: &mut self.headers,
            client: self.client.parse().unwrap(),
            request_id: "4f2a",
        };
        match chain.run(&mut request) {
            Step::NeedsPassword(credentials) => {
                chain.password_checked(credentials.verify(), &mut request)
            }
            step => step,
        }
    }

    /// The answer of a filter, if one gives it.
    fn answer(&mut self, filters: &[Filter]) -> Option<Answer> {
        match self.run(&mut self.chain(filters)) {
            Step::Answer(answer) => Some(answer),
            Step::Continue => None,
            Step::NeedsPassword(_) => panic!("a second password"),
        }
    }
}

/// The value of a field of an answer.
fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}
