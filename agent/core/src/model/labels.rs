//! Service options, parsed from a service's labels.
//!
//! A label that can't be served is told as a problem and is as good as absent; the rest of
//! the service works. The one exception is a label that restricts who may call: of that, what
//! can't be understood allows nobody.
//!
//! Who writes labels is not who operates the Swarm: what one service can have by them is
//! bounded, and so is what is said of them ([`values`]).

mod options;
mod values;

pub use options::{Local, Policy, ServiceOptions};

use lb_routes::labels::is_route_label;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
pub(crate) use values::short;

/// All labels that swarmlb reads begin so.
pub const PREFIX: &str = "swarmlb.";

/// Ports that the label of one service can publish.
pub const PORTS: usize = 256;
/// Networks that the label of one service can allow.
pub const NETWORKS: usize = 1_024;
/// Bytes of the labels of one service that declare HTTP routes, names and values together.
pub const ROUTE_BYTES: usize = 64 << 10;
/// Labels of one service that are named as problems, one by one.
pub(crate) const NAMED: usize = 16;

/// A service's labels, all of them, with the options that they were parsed into. Cheap to copy and, as
/// the labels alone decide, to compare.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Labels(Arc<Parsed>);

#[derive(Debug, Default)]
struct Parsed {
    labels: BTreeMap<String, String>,
    options: ServiceOptions,
    refusals: Vec<String>,
    route_bytes: usize,
}

impl Labels {
    /// The labels by their names, as Docker or another agent told them.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0.labels
    }

    /// What they ask for.
    #[must_use]
    pub fn options(&self) -> &ServiceOptions {
        &self.0.options
    }

    /// Those of the families that declare HTTP routes, as they are; none if they are more than [`ROUTE_BYTES`].
    #[must_use]
    pub fn route_labels(&self) -> BTreeMap<String, String> {
        if self.0.route_bytes > ROUTE_BYTES {
            return BTreeMap::new();
        }
        let labels = self.0.labels.iter();
        labels
            .filter(|(label, _)| is_route_label(label))
            .map(|(label, value)| (label.clone(), value.clone()))
            .collect()
    }

    /// Bytes of the labels that declare HTTP routes; 0 if there is none.
    #[must_use]
    pub fn route_bytes(&self) -> usize {
        self.0.route_bytes
    }

    /// Sentences about what in them can't be served; none if all can.
    #[must_use]
    pub fn refusals(&self) -> &[String] {
        &self.0.refusals
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.labels == other.0.labels
    }
}

impl Eq for Labels {}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        let (options, refusals) = parse(&labels);
        let route_bytes = route_bytes(&labels);
        Self(Arc::new(Parsed {
            labels,
            options,
            refusals,
            route_bytes,
        }))
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        match Arc::try_unwrap(labels.0) {
            Ok(parsed) => parsed.labels,
            Err(shared) => shared.labels.clone(),
        }
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        labels.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

/// Bytes of the labels that declare HTTP routes.
fn route_bytes(labels: &BTreeMap<String, String>) -> usize {
    let labels = labels.iter().filter(|(label, _)| is_route_label(label));
    labels.map(|(label, value)| label.len() + value.len()).sum()
}

/// The options, and what in the labels can't be served.
fn parse(labels: &BTreeMap<String, String>) -> (ServiceOptions, Vec<String>) {
    let mut options = ServiceOptions::default();
    let mut refusals = Vec::new();
    let mut more = 0_usize;
    for (label, value) in labels {
        let Some(word) = label.strip_prefix(PREFIX) else {
            continue;
        };
        let Err(why) = options.set(word, value.trim()) else {
            continue;
        };
        if refusals.len() == NAMED {
            more += 1;
            continue;
        }
        let (label, value) = (short(label, 60), short(value, 80));
        refusals.push(format!("label {label}={value}: {why}"));
    }
    if more > 0 {
        refusals.push(format!("{more} more of its labels can't be served"));
    }
    (options, refusals)
}

#[cfg(test)]
mod tests;
