//! The published ports that the kernel's frontends serve, for the desired state of the next pass.

use super::state::State;
use crate::backend::number;
use crate::desired::Number;
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::persistent::PersistentMap;
use lb_abi::service::{Frontend, Port};

/// The ports in use, and the frontends from which they follow.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    frontends: PersistentMap<Port, Frontend>,
    ports: PersistentMap<Number, Serving>,
}

impl InUse {
    /// The ports that are in use in `have`; only what has changed since the last call is read.
    pub fn of(&mut self, have: &State) -> &PersistentMap<Number, Serving> {
        for change in have.frontends.changes(&self.frontends) {
            let number = number(change.key());
            match change.now() {
                Some(frontend) => {
                    let serving = Serving {
                        service: Key(frontend.service),
                        target: frontend.target.get(),
                        has_tasks: frontend.count != 0,
                    };
                    self.ports.insert(number, serving);
                }
                None => {
                    self.ports.remove(&number);
                }
            }
        }
        self.frontends.clone_from(&have.frontends);
        &self.ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::port::Proto;
    use lb_abi::{Be16, TCP, UDP};

    #[test]
    fn ports_come_change_and_go_with_their_frontends() {
        let [tcp, udp] = [TCP, UDP].map(|proto| Port::new(Be16::new(8080), proto));
        let frontend = |count, service| Frontend::new(Be16::new(80), count, 1, service);
        let serving = |service, has_tasks| Serving {
            service: Key(service),
            target: 80,
            has_tasks,
        };
        let mut in_use = InUse::default();
        let mut have = State {
            frontends: [(tcp, frontend(2, 7)), (udp, frontend(0, 8))].into(),
            ..State::default()
        };
        let both = [
            ((8080, Proto::Tcp), serving(7, true)),
            ((8080, Proto::Udp), serving(8, false)),
        ];
        assert_eq!(in_use.of(&have), &both.into());
        have.frontends.remove(&tcp);
        have.frontends.insert(udp, frontend(1, 9));
        let one = [((8080, Proto::Udp), serving(9, true))];
        assert_eq!(in_use.of(&have), &one.into());
    }
}
