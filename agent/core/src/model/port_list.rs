//! Ports of a task. Nearly all tasks have none, and a Swarm may have a hundred thousand tasks: where there are none the list takes a
//! pointer's room.

use super::port::PublishedPort;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::Arc;

/// A list of ports, which copies share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<PublishedPort>", into = "Vec<PublishedPort>")]
pub struct PortList(
    /// None where there are no ports, so that equal lists are equal here.
    Option<Arc<Vec<PublishedPort>>>,
);

impl Deref for PortList {
    type Target = [PublishedPort];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl From<Vec<PublishedPort>> for PortList {
    fn from(ports: Vec<PublishedPort>) -> Self {
        Self((!ports.is_empty()).then(|| Arc::new(ports)))
    }
}

impl From<PortList> for Vec<PublishedPort> {
    fn from(ports: PortList) -> Self {
        ports.to_vec()
    }
}

impl FromIterator<PublishedPort> for PortList {
    fn from_iter<I: IntoIterator<Item = PublishedPort>>(ports: I) -> Self {
        Vec::from_iter(ports).into()
    }
}

#[test]
fn a_list_is_written_as_its_ports_and_without_any_equal_to_none() {
    use super::port::{Proto, PublishMode};
    let port = PublishedPort {
        proto: Proto::Tcp,
        published: 8080,
        target: 80,
        mode: PublishMode::Host,
    };
    for ports in [vec![], vec![port]] {
        let list = PortList::from(ports.clone());
        assert_eq!(list.to_vec(), ports);
        assert_eq!(list == PortList::default(), ports.is_empty());
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(text, serde_json::to_string(&ports).unwrap());
        assert_eq!(serde_json::from_str::<PortList>(&text).unwrap(), list);
    }
}
