//! Routers of Traefik: which requests, with which middlewares, to which service.

use super::shared::Meaning;
use super::{Objects, Settings, SharedMiddlewares, backend, middleware, parsed, unknown};
use crate::labels::values::{boolean, list, value};
use crate::labels::{Declared, LabelError};
use crate::route::{EntryPoints, Family, Filter, Route, Target, Tasks, Tls};
use crate::rule::{Host, HostPattern, Matcher, Rule};
use std::collections::BTreeMap;

const KNOWN: [&str; 8] = [
    "rule",
    "rulesyntax",
    "entrypoints",
    "middlewares",
    "service",
    "priority",
    "tls",
    "tls.certresolver",
];

const NOT_SERVED: [(&str, &str); 3] = [
    ("tls.options", "TLS is configured for the router as a whole"),
    (
        "tls.domains",
        "a certificate is chosen by the name that the client asks for",
    ),
    (
        "observability",
        "logs and counters are configured for the router as a whole",
    ),
];

/// What routers refer to by name.
struct Known<'a> {
    service: &'a str,
    tasks: BTreeMap<&'a str, Option<Tasks>>,
    middlewares: BTreeMap<&'a str, Vec<Filter>>,
    /// Those of all services.
    others: &'a SharedMiddlewares,
}

/// Adds a route for each router; and for each service, where there is no router.
pub(super) fn declare(
    name: &str,
    objects: &Objects<'_>,
    others: &SharedMiddlewares,
    out: &mut Declared,
) {
    let known = Known {
        service: name,
        tasks: each(&objects.services, |settings| backend::tasks(settings, out)),
        middlewares: each(&objects.middlewares, |settings| {
            middleware::filters(settings, out)
        }),
        others,
    };
    if objects.only_middlewares() {
        return;
    }
    if known.tasks.values().all(Option::is_none) {
        let label = format!("traefik.http.services.{name}.loadbalancer.server.port");
        out.problem(
            label,
            LabelError::Missing("the port on which the tasks listen"),
        );
        return;
    }
    let none = Settings::new();
    if objects.routers.is_empty() {
        for name in known.tasks.keys() {
            let route = known.route(name, &none, Some(name), out);
            out.routes.extend(route);
        }
    }
    for (name, settings) in &objects.routers {
        unknown(settings, &KNOWN, &NOT_SERVED, out);
        let route = known.route(name, settings, None, out);
        out.routes.extend(route);
    }
}

fn each<'a, T>(
    objects: &BTreeMap<&'a str, Settings<'_>>,
    mut make: impl FnMut(&Settings<'_>) -> T,
) -> BTreeMap<&'a str, T> {
    let made = objects
        .iter()
        .map(|(name, settings)| (*name, make(settings)));
    made.collect()
}

impl Known<'_> {
    /// The route of a router; none, with a problem, where its rule or its service is not known.
    fn route(
        &self,
        name: &str,
        settings: &Settings<'_>,
        service: Option<&str>,
        out: &mut Declared,
    ) -> Option<Route> {
        let rule = match settings.get("rule") {
            Some(_) => parsed(settings, "rule", |text| Ok(text.parse::<Rule>()?), out)?,
            None => self.usual_rule()?,
        };
        let entry_points = entry_points(settings, out)?;
        if let Some(resolver) = settings.get("tls.certresolver") {
            let why = "certificates come from secrets and from a directory";
            out.problem(resolver.label, LabelError::NotServed(why));
        }
        let filters = self.filters(settings, out);
        let tasks = self.tasks(name, settings, service, out)?;
        Some(Route {
            family: Family::Traefik,
            name: name.to_owned(),
            entry_points,
            rule,
            // 0 is what Traefik takes for none.
            priority: parsed(settings, "priority", priority, out).filter(|number| *number != 0),
            tls: Tls::default(),
            filters,
            target: Target::Tasks(tasks),
        })
    }

    /// `Host` of the service's name, with `-` for what no host's name has.
    fn usual_rule(&self) -> Option<Rule> {
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        };
        let name: String = self.service.chars().map(plain).collect();
        let host = Host::of(&name)?;
        Some(Rule::Matcher(Matcher::Host(HostPattern::Exact(host))))
    }

    fn filters(&self, settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
        let Some(setting) = settings.get("middlewares") else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for name in list(setting.value, ',') {
            match self.middleware(name, out) {
                Ok(filters) => all.extend(filters),
                Err(error) => {
                    // It may be what keeps strangers out.
                    all.push(Filter::Closed(error.to_string()));
                    out.problem(setting.label, LabelError::Closes(Box::new(error)));
                }
            }
        }
        all
    }

    /// The filters of a middleware: of this service, or else of whichever services declare it.
    ///
    /// # Errors
    /// Nobody declares it, or services declare it differently.
    fn middleware(&self, name: &str, out: &mut Declared) -> Result<Vec<Filter>, LabelError> {
        let undeclared = || LabelError::Undeclared {
            kind: "the middleware",
            name: name.to_owned(),
        };
        let known = own(name).ok_or_else(undeclared)?;
        if let Some(filters) = self.middlewares.get(known) {
            return Ok(filters.clone());
        }
        out.looked_up.insert(known.to_owned());
        match self.others.get(known) {
            Some(Meaning::Filters(filters)) => Ok(filters.to_vec()),
            Some(Meaning::Disputed([oldest, other])) => Err(LabelError::Disputed {
                name: known.to_owned(),
                oldest,
                other,
            }),
            None => Err(undeclared()),
        }
    }

    fn tasks(
        &self,
        router: &str,
        settings: &Settings<'_>,
        service: Option<&str>,
        out: &mut Declared,
    ) -> Option<Tasks> {
        if let Some(setting) = settings.get("service") {
            let tasks = own(setting.value).and_then(|name| self.tasks.get(name));
            if tasks.is_none() {
                let error = LabelError::Undeclared {
                    kind: "the service",
                    name: setting.value.to_owned(),
                };
                out.problem(setting.label, error);
            }
            return tasks?.clone();
        }
        let only = match self.tasks.len() {
            1 => self.tasks.values().next(),
            _ => service.and_then(|name| self.tasks.get(name)),
        };
        if only.is_none() {
            let label = format!("traefik.http.routers.{router}.service");
            let why = "there are several services, and the router is for one of them";
            out.problem(label, LabelError::Missing(why));
        }
        only?.clone()
    }
}

/// A name without the provider behind it; none if that is not the labels of services.
fn own(name: &str) -> Option<&str> {
    match name.split_once('@') {
        None => Some(name),
        Some((name, "docker" | "swarm")) => Some(name),
        Some(_) => None,
    }
}

fn priority(text: &str) -> Result<i64, LabelError> {
    text.parse().map_err(|_| value(text, "a whole number"))
}

/// The usual names of entry points are those of two ports.
fn entry_points(settings: &Settings<'_>, out: &mut Declared) -> Option<EntryPoints> {
    let tls = match settings.get("tls") {
        Some(_) => parsed(settings, "tls", boolean, out).unwrap_or(true),
        None => settings.keys().any(|key| key.starts_with("tls.")),
    };
    let Some(setting) = settings.get("entrypoints") else {
        return Some(EntryPoints {
            http: !tls,
            https: tls,
        });
    };
    let (mut http, mut https) = (false, false);
    for name in list(setting.value, ',') {
        match name.to_ascii_lowercase().as_str() {
            "web" | "http" => http = true,
            "websecure" | "https" => https = true,
            _ => out.problem(
                setting.label,
                value(name, "web (port 80) or websecure (port 443)"),
            ),
        }
    }
    if tls && http && !https {
        let why = "TLS is spoken on port 443: add websecure";
        out.problem(setting.label, LabelError::NotServed(why));
    }
    // A router with TLS answers nobody who comes without.
    let entry_points = EntryPoints {
        http: http && !tls,
        https,
    };
    (entry_points.http || entry_points.https).then_some(entry_points)
}
