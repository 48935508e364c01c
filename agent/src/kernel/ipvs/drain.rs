//! Withdrawn ports that no connection needs any more. Each question about one is a list of destinations that IPVS makes, and
//! the loop that asks also renews the lease: so it asks seldom, and no more than it has to.

use lb_abi::service::Port;
use lb_core::backend::ipvs::ServiceKey;
use lb_core::backend::number;
use lb_core::desired::Number;
use std::collections::BTreeSet;
use std::time::Instant;

/// Connections are looked for again after so many times the duration of the last look: nothing waits for it.
const DUTY_DIVISOR: u32 = 30;

/// Looks for connections of withdrawn ports.
#[derive(Debug, Default)]
pub(super) struct DrainLooks {
    /// Earliest time of the next one.
    next: Option<Instant>,
}

impl DrainLooks {
    /// Those of the ports in `withdrawn` that none of `services` has a connection for, as `is_in_use` says of each that it is
    /// asked about; none before it is time to look again.
    ///
    /// # Errors
    /// That of the first question that fails.
    pub(super) fn look<E>(
        &mut self,
        withdrawn: &BTreeSet<Number>,
        services: impl Iterator<Item = (ServiceKey, Port)>,
        is_in_use: impl FnMut(ServiceKey) -> Result<bool, E>,
        clock: impl Fn() -> Instant,
    ) -> Result<BTreeSet<Number>, E> {
        let begin = clock();
        let rests = self.next.is_some_and(|next| begin < next);
        if rests || withdrawn.is_empty() {
            return Ok(BTreeSet::new());
        }
        let unused = unused(withdrawn.clone(), services, is_in_use);
        let end = clock();
        self.next = Some(end + end.duration_since(begin) * DUTY_DIVISOR);
        unused
    }
}

/// Those of `ports` that none of `services` has a connection for. A port is not asked about any more once one is found.
fn unused<E>(
    mut ports: BTreeSet<Number>,
    services: impl Iterator<Item = (ServiceKey, Port)>,
    mut is_in_use: impl FnMut(ServiceKey) -> Result<bool, E>,
) -> Result<BTreeSet<Number>, E> {
    for (service, port) in services {
        if ports.is_empty() {
            break;
        }
        let number = number(&port);
        if ports.contains(&number) && is_in_use(service)? {
            ports.remove(&number);
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_abi::{Be16, TCP};
    use lb_core::model::port::Proto;
    use std::cell::{Cell, RefCell};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const USED: u16 = 8080;
    const UNUSED: u16 = 8081;
    const PUBLISHED: u16 = 8082;

    /// These ports on two addresses.
    fn services() -> Vec<(ServiceKey, Port)> {
        let mut services = Vec::new();
        for address in [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last)) {
            for number in [USED, UNUSED, PUBLISHED] {
                let port = Port::new(Be16::new(number), TCP);
                services.push((ServiceKey::Address(address, port), port));
            }
        }
        services
    }

    #[test]
    fn a_port_is_asked_about_until_its_first_connection_and_all_of_them_seldom() {
        let begin = Instant::now();
        let now = Cell::new(begin);
        let asked = RefCell::new(Vec::new());
        let withdrawn: BTreeSet<Number> = [USED, UNUSED].map(|port| (port, Proto::Tcp)).into();
        let mut looks = DrainLooks::default();
        let mut look = |withdrawn: &BTreeSet<Number>| {
            // Each question takes a second.
            let is_in_use = |service| {
                now.set(now.get() + Duration::from_secs(1));
                let ServiceKey::Address(_, port) = service else {
                    panic!("{service}")
                };
                asked.borrow_mut().push(port.number.get());
                Ok::<_, ()>(port.number.get() == USED)
            };
            let services = services().into_iter();
            let unused = looks.look(withdrawn, services, is_in_use, || now.get());
            let unused = unused.unwrap().into_iter().map(|(port, _)| port);
            (unused.collect::<Vec<_>>(), asked.take())
        };
        let nothing = (vec![], vec![]);
        assert_eq!(look(&BTreeSet::new()), nothing);
        let all = (vec![UNUSED], vec![USED, UNUSED, UNUSED]);
        assert_eq!(look(&withdrawn), all);
        for (second, expected) in [(4, &nothing), (92, &nothing), (93, &all)] {
            now.set(begin + Duration::from_secs(second));
            assert_eq!(look(&withdrawn), *expected, "after {second} s");
        }
    }

    #[test]
    fn a_question_that_fails_ends_the_look_and_the_next_one_is_later_too() {
        let begin = Instant::now();
        let now = Cell::new(begin);
        let withdrawn: BTreeSet<Number> = [(UNUSED, Proto::Tcp)].into();
        let mut looks = DrainLooks::default();
        let mut look = |fails: bool| {
            let is_in_use = |_| {
                now.set(now.get() + Duration::from_secs(1));
                if fails { Err(()) } else { Ok(false) }
            };
            let services = services().into_iter();
            looks.look(&withdrawn, services, is_in_use, || now.get())
        };
        assert_eq!(look(true), Err(()));
        assert_eq!(look(false), Ok(BTreeSet::new()), "it rests");
        now.set(begin + Duration::from_secs(31));
        assert_eq!(look(false), Ok(withdrawn.clone()));
    }
}
