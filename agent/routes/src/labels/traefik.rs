//! `traefik.*`: the labels of Traefik 3 and 2 for HTTP
//! (<https://doc.traefik.io/traefik/reference/routing-configuration/other-providers/swarm/>). Those of version 1 are
//! answered with what to write instead.

mod backend;
mod middleware;
mod router;
mod shared;
mod version1;

pub use shared::{Middlewares, SharedMiddlewares};

use super::values::boolean;
use super::{Declared, LabelError};
use std::collections::BTreeMap;

const PREFIX: &str = "traefik.";

/// One setting of an object, for example of a router.
#[derive(Clone, Copy, Debug)]
struct Setting<'a> {
    /// The whole label, as it is written.
    label: &'a str,
    value: &'a str,
}

/// The settings of one object, by what follows its name, in small letters.
type Settings<'a> = BTreeMap<String, Setting<'a>>;

/// The labels of a service, by object.
#[derive(Debug, Default)]
struct Objects<'a> {
    routers: BTreeMap<&'a str, Settings<'a>>,
    services: BTreeMap<&'a str, Settings<'a>>,
    middlewares: BTreeMap<&'a str, Settings<'a>>,
}

/// Adds the routes that the labels of the service `name` declare, where `others` are the middlewares of all services.
pub(super) fn declare(
    name: &str,
    labels: &BTreeMap<String, String>,
    others: &SharedMiddlewares,
    out: &mut Declared,
) {
    if let Some(objects) = Objects::of(name, labels, out) {
        router::declare(name, &objects, others, out);
    }
}

/// The rest of a label of this family.
pub(super) fn without_prefix(label: &str) -> Option<&str> {
    let (prefix, rest) = label.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

impl<'a> Objects<'a> {
    /// Those of the service `name`; none if it is not to be served.
    fn of(name: &str, labels: &'a BTreeMap<String, String>, out: &mut Declared) -> Option<Self> {
        let mut objects = Self::default();
        let mut enabled = None;
        for (label, value) in labels {
            let Some(rest) = without_prefix(label) else {
                continue;
            };
            let setting = Setting {
                label,
                value: value.trim(),
            };
            if rest.eq_ignore_ascii_case("enable") {
                // What is not understood may be what keeps the service to itself.
                enabled = Some(boolean(value).unwrap_or_else(|error| {
                    out.problem(label, LabelError::Closes(Box::new(error)));
                    false
                }));
            } else if let Err(error) = objects.take(rest, setting, name) {
                out.problem(label, error);
            }
        }
        enabled
            .unwrap_or_else(|| !objects.is_empty())
            .then_some(objects)
    }

    fn is_empty(&self) -> bool {
        self.routers.is_empty() && self.services.is_empty() && self.middlewares.is_empty()
    }

    /// Middlewares are there for other services only.
    fn only_middlewares(&self) -> bool {
        self.routers.is_empty() && self.services.is_empty() && !self.middlewares.is_empty()
    }

    /// Files a label under its object. `rest` is the label without its prefix.
    fn take(&mut self, rest: &'a str, setting: Setting<'a>, name: &str) -> Result<(), LabelError> {
        let parts: Vec<&str> = rest.split('.').collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let (objects, after) = match lower.as_slice() {
            // Tasks are reached by addresses of their own, on whatever network they are.
            ["docker" | "swarm", "network"] | ["constraint-label" | "tags"] => return Ok(()),
            ["docker" | "swarm", "lbswarm"] => {
                return Err(LabelError::NotServed(
                    "the router chooses among the tasks itself",
                ));
            }
            ["http", "routers", _, _, ..] => (&mut self.routers, 3),
            ["http", "services", _, "loadbalancer", _, ..] => (&mut self.services, 4),
            ["http", "services", ..] => {
                return Err(LabelError::NotServed(
                    "weights and mirrors of services are declared in no label",
                ));
            }
            ["http", "middlewares", _, _, ..] => (&mut self.middlewares, 3),
            ["tcp" | "udp", ..] => {
                return Err(LabelError::NotServed(
                    "publish the port, and every node answers it without a router",
                ));
            }
            _ => {
                return Err(match version1::instead(rest, setting.value, name) {
                    Some(instead) => LabelError::Version1(instead),
                    None => LabelError::Unknown { near: None },
                });
            }
        };
        let object = parts.get(2).copied().unwrap_or_default();
        let key = lower.get(after..).unwrap_or_default().join(".");
        objects.entry(object).or_default().insert(key, setting);
        Ok(())
    }
}

/// What a setting says, if it is there and understood; otherwise its problem is noted.
fn parsed<T>(
    settings: &Settings<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, LabelError>,
    out: &mut Declared,
) -> Option<T> {
    let setting = settings.get(key)?;
    match parse(setting.value) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            out.problem(setting.label, error);
            None
        }
    }
}

/// Notes the settings that are not among those `known`, or are known and not served.
fn unknown(
    settings: &Settings<'_>,
    known: &[&str],
    not_served: &[(&str, &'static str)],
    out: &mut Declared,
) {
    for (key, setting) in settings {
        if known.contains(&key.as_str()) {
            continue;
        }
        let not_served = not_served.iter().find(|(prefix, _)| {
            let rest = key.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        let error = match not_served {
            Some((_, why)) => LabelError::NotServed(why),
            None => {
                let near = super::values::near(key, known.iter().copied());
                LabelError::Unknown {
                    near: near.map(str::to_owned),
                }
            }
        };
        out.problem(setting.label, error);
    }
}
