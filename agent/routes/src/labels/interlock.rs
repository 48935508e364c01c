//! `com.docker.lb.*`: the labels of Interlock
//! (<https://docs.mirantis.com/mke/3.8/ops/deploy-apps-swarm/interlock/use-service-labels.html>).

mod redirects;

use super::values::{boolean, list, port, value};
use super::{Declared, LabelError};
use crate::path::NormalPath;
use crate::route::{
    BackendMode, Balance, EntryPoints, Family, Filter, Redirect, Route, Scheme, Secrets, Target,
    Tasks, Tls,
};
use crate::rule::{HostPattern, Matcher, PathPattern, Rule};
use std::collections::BTreeMap;

pub(super) const PREFIX: &str = "com.docker.lb.";

/// All labels, without the prefix.
const NAMES: [&str; 17] = [
    "hosts",
    "port",
    "network",
    "context_root",
    "context_root_rewrite",
    "ssl_cert",
    "ssl_key",
    "ssl_only",
    "ssl_backend",
    "ssl_backend_tls_verify",
    "ssl_passthrough",
    "websocket_endpoints",
    "service_cluster",
    "sticky_session_cookie",
    "redirects",
    "backend_mode",
    "ip_hash",
];
const DEFAULT_BACKEND: &str = "default_backend";

/// The labels of one service, without the prefix, and what comes of them.
struct Labels<'a> {
    all: BTreeMap<&'a str, &'a str>,
    out: &'a mut Declared,
}

/// Adds the routes that the labels declare.
pub(super) fn declare(labels: &BTreeMap<String, String>, out: &mut Declared) {
    let all = labels
        .iter()
        .filter_map(|(label, value)| Some((label.strip_prefix(PREFIX)?, value.trim())));
    let mut labels = Labels {
        all: all.collect(),
        out,
    };
    if labels.all.is_empty() {
        return;
    }
    labels.unknown();
    let Some(target) = labels.target() else {
        return;
    };
    let tls = labels.tls();
    let mut filters = Vec::new();
    if labels.restriction("ssl_only") && !tls.passthrough {
        filters.push(Filter::Redirect(Redirect {
            https: true,
            port: None,
            permanent: false,
        }));
    }
    let root = labels.root(&mut filters);
    if root.is_none() && labels.value("context_root").is_some() {
        // Which paths are to be served is not understood: all of the host's would be more.
        return;
    }
    let entry_points = EntryPoints {
        http: !tls.passthrough,
        https: true,
    };
    let base = Route {
        family: Family::Interlock,
        name: String::new(),
        entry_points,
        rule: everything(),
        priority: None,
        tls,
        filters,
        target,
    };
    labels.routes(&base, root.as_ref());
}

impl Labels<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.all
            .get(name)
            .copied()
            .filter(|value| !value.is_empty())
    }

    fn problem(&mut self, name: &str, error: LabelError) {
        self.out.problem(format!("{PREFIX}{name}"), error);
    }

    /// What a label says, if it is there and understood.
    fn parsed<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, LabelError>) -> Option<T> {
        match parse(self.value(name)?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(name, error);
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        self.parsed(name, boolean).unwrap_or_default()
    }

    /// A flag without which port 80 serves in the clear: a value that is not understood counts as `true`.
    fn restriction(&mut self, name: &str) -> bool {
        let said = self.value(name).is_some();
        self.parsed(name, boolean).unwrap_or(said)
    }

    fn unknown(&mut self) {
        let names: Vec<&str> = self.all.keys().copied().collect();
        for name in names {
            if name == "service_cluster" {
                self.problem(
                    name,
                    LabelError::NotServed("every node serves every service"),
                );
            } else if !NAMES.contains(&name) && name != DEFAULT_BACKEND {
                let near = super::values::near(name, NAMES.into_iter().chain([DEFAULT_BACKEND]));
                let near = near.map(|near| format!("{PREFIX}{near}"));
                self.problem(name, LabelError::Unknown { near });
            }
        }
    }

    fn target(&mut self) -> Option<Target> {
        if self.value("port").is_none() {
            let port = LabelError::Missing("the port on which the tasks listen");
            self.problem("port", port);
            return None;
        }
        let port = self.parsed("port", port)?;
        let verify = self
            .value("ssl_backend_tls_verify")
            .is_none_or(|mode| mode != "none");
        let scheme = if self.flag("ssl_backend") {
            Scheme::Https { verify }
        } else {
            Scheme::Http
        };
        let mode = self.parsed("backend_mode", |mode| match mode {
            "task" => Ok(BackendMode::Task),
            "vip" => Ok(BackendMode::Vip),
            _ => Err(value(mode, "task or vip")),
        });
        let balance = if self.flag("ip_hash") {
            Balance::ClientAddress
        } else if let Some(cookie) = self.value("sticky_session_cookie") {
            Balance::AppCookie(cookie.to_owned())
        } else {
            Balance::LeastLoaded
        };
        Some(Target::Tasks(Tasks {
            port,
            scheme,
            balance,
            mode: mode.unwrap_or(BackendMode::Task),
            pass_host: true,
        }))
    }

    fn tls(&mut self) -> Tls {
        let passthrough = self.restriction("ssl_passthrough");
        let [certificate, key] =
            ["ssl_cert", "ssl_key"].map(|name| self.value(name).map(str::to_owned));
        let missing = LabelError::Missing("a certificate and its key are two secrets");
        let secrets = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Secrets { certificate, key }),
            (Some(_), None) => {
                self.problem("ssl_key", missing);
                None
            }
            (None, Some(_)) => {
                self.problem("ssl_cert", missing);
                None
            }
            (None, None) => None,
        };
        Tls {
            secrets,
            passthrough,
        }
    }

    /// The paths of the service.
    fn root(&mut self, filters: &mut Vec<Filter>) -> Option<Rule> {
        let root = self.parsed("context_root", |root| {
            NormalPath::written(root).map_err(|_| value(root, "a path such as /app"))
        })?;
        if self.flag("context_root_rewrite") {
            filters.push(Filter::StripPrefix(vec![root.clone()]));
        }
        Some(Rule::Matcher(Matcher::Path(PathPattern::Prefix(root))))
    }

    fn routes(&mut self, base: &Route, root: Option<&Rule>) {
        let default = self.flag(DEFAULT_BACKEND);
        let hosts: Vec<String> = self
            .value("hosts")
            .map(|hosts| list(hosts, ',').map(str::to_owned).collect())
            .unwrap_or_default();
        if hosts.is_empty() && !default {
            self.problem(
                "hosts",
                LabelError::Missing("the hosts of the service, separated by commas"),
            );
        }
        let redirects = self.redirects(base);
        for host in hosts {
            let Some(pattern) = self.host("hosts", &host) else {
                continue;
            };
            let entry_points = redirects::others(base.entry_points, &redirects, &pattern);
            if !entry_points.http && !entry_points.https {
                continue;
            }
            let rule = Rule::Matcher(Matcher::Host(pattern));
            let rule = match root {
                Some(root) => Rule::All(vec![rule, root.clone()]),
                None => rule,
            };
            self.out.routes.push(Route {
                name: host,
                entry_points,
                rule,
                ..base.clone()
            });
        }
        if default {
            self.out.routes.push(Route {
                name: DEFAULT_BACKEND.to_owned(),
                priority: Some(i64::MIN),
                ..base.clone()
            });
        }
        let redirects = redirects.into_iter().map(|redirect| redirect.route);
        self.out.routes.extend(redirects);
    }

    fn host(&mut self, label: &str, host: &str) -> Option<HostPattern> {
        let pattern = HostPattern::named(host);
        if pattern.is_none() {
            let wanted = "hosts such as example.com or *.example.com";
            self.problem(label, value(host, wanted));
        }
        pattern
    }
}

fn everything() -> Rule {
    Rule::Matcher(Matcher::Path(PathPattern::Prefix(NormalPath::root())))
}
