//! The withdrawn ports of a node at one time, as the datapath is asked about them.

use super::Number;
use std::collections::BTreeSet;

/// Ports that are withdrawn from services, as of a reconcile pass. Two are equal if the ports are, and no others were
/// withdrawn between the two: a port that is published meanwhile gets connections, so what was found about
/// it before says nothing about it later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithdrawnPorts {
    ports: BTreeSet<Number>,
    /// The number of changes so far.
    generation: u64,
}

impl WithdrawnPorts {
    /// From now on `ports` are withdrawn, and no others.
    pub fn change(&mut self, ports: BTreeSet<Number>) {
        if ports != self.ports {
            self.ports = ports;
            self.generation += 1;
        }
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &BTreeSet<Number> {
        &self.ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::port::Proto;

    #[test]
    fn equal_sets_are_told_apart_if_there_was_another_one_between_them() {
        let ports: BTreeSet<Number> = [(8080, Proto::Tcp)].into();
        let mut now = WithdrawnPorts::default();
        now.change(ports.clone());
        let first = now.clone();
        now.change(ports.clone());
        assert_eq!(now, first);
        now.change(BTreeSet::new());
        now.change(ports);
        assert_eq!(now.ports(), first.ports());
        assert_ne!(now, first);
    }
}
