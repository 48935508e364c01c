//! Converts virtual services and destinations between the core's types and the kernel's.

use super::ruleset::Elements;
use super::{IpvsError, IpvsKernel};
use lb_abi::Be16;
use lb_abi::service::Port;
use lb_core::backend::ipvs::{
    Destination, DestinationKey, Method, Scheduler, ServiceKey, VirtualService,
};
use lb_netlink::ipvs::{self, Dest, Family, Flags, Name, Protocol, Service, ServiceId};
use lb_netlink::nft;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl IpvsKernel {
    /// Reads swarmlb's virtual services; notes those of others in `foreign`.
    pub(super) fn services(&mut self) -> Result<BTreeMap<ServiceKey, VirtualService>, IpvsError> {
        self.foreign.clear();
        let mut services = BTreeMap::new();
        for (service, _) in self.ipvs.services()? {
            let Some(key) = service_key(&service.id) else {
                continue;
            };
            if self.elements.owned.contains(&key) {
                self.mine.insert(key);
            } else if !self.mine.contains(&key) {
                self.foreign.insert(key);
                continue;
            }
            let dests = self.ipvs.dests(&service.id)?;
            let mut destinations = BTreeMap::new();
            for (dest, _) in &dests {
                destinations.extend(destination(dest));
            }
            // One that somebody changed into what it never is, is made anew.
            let Some(scheduler) = scheduler(&service) else {
                self.ipvs.del_service(&service.id)?;
                continue;
            };
            let persistence_s = if service.flags.contains(Flags::PERSISTENT) {
                service.timeout
            } else {
                0
            };
            services.insert(
                key,
                VirtualService {
                    scheduler,
                    persistence_s,
                    destinations,
                },
            );
        }
        Ok(services)
    }

    pub(super) fn put_service(
        &mut self,
        key: ServiceKey,
        scheduler: Scheduler,
        persistence_s: u32,
    ) -> Result<(), IpvsError> {
        let service = service(key, scheduler, persistence_s);
        if self.mine.contains(&key) || self.elements.owned.contains(&key) {
            self.note(key, true)?;
            return match self.ipvs.set_service(&service) {
                Err(error) if error.refused() == Some(Errno::ESRCH) => {
                    Ok(self.ipvs.add_service(&service)?)
                }
                done => Ok(done?),
            };
        }
        if self.foreign.contains(&key) {
            return Err(IpvsError::Foreign);
        }
        // Written down first: what nobody owns is never removed.
        self.note(key, true)?;
        let added = self.ipvs.add_service(&service);
        if added.is_ok() {
            self.mine.insert(key);
        } else {
            self.note(key, false)?;
        }
        match added {
            Err(error) if error.refused() == Some(Errno::EEXIST) => Err(IpvsError::Foreign),
            done => Ok(done?),
        }
    }

    pub(super) fn remove_service(&mut self, key: ServiceKey) -> Result<(), IpvsError> {
        match self.ipvs.del_service(&id(key)) {
            Err(error) if error.refused() != Some(Errno::ESRCH) => Err(error.into()),
            _ => {
                self.mine.remove(&key);
                self.note(key, false)
            }
        }
    }

    pub(super) fn put_destination(
        &mut self,
        key: ServiceKey,
        at: DestinationKey,
        destination: Destination,
    ) -> Result<(), IpvsError> {
        let (id, dest) = (id(key), dest(at, destination));
        match self.ipvs.add_dest(&id, &dest) {
            Err(error) if error.refused() == Some(Errno::EEXIST) => {
                Ok(self.ipvs.set_dest(&id, &dest)?)
            }
            done => Ok(done?),
        }
    }

    pub(super) fn remove_destination(
        &mut self,
        key: ServiceKey,
        at: DestinationKey,
    ) -> Result<(), IpvsError> {
        let destination = Destination {
            method: Method::Nat,
            weight: 0,
        };
        match self.ipvs.del_dest(&id(key), &dest(at, destination)) {
            Err(error) if !matches!(error.refused(), Some(Errno::ENOENT | Errno::ESRCH)) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Has a virtual service any connection?
    pub(super) fn is_in_use(&mut self, key: ServiceKey) -> Result<bool, IpvsError> {
        match self.ipvs.dests(&id(key)) {
            Ok(dests) => Ok(dests
                .iter()
                .any(|(_, now)| now.active != 0 || now.inactive != 0)),
            Err(error) if error.refused() == Some(Errno::ESRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down whose a server is.
    fn note(&mut self, key: ServiceKey, ours: bool) -> Result<(), IpvsError> {
        if ours == self.elements.owned.contains(&key) {
            return Ok(());
        }
        let nothing = Elements::default();
        let one = Elements {
            owned: [key].into(),
            ..Elements::default()
        };
        let (want, have) = if ours {
            (&one, &nothing)
        } else {
            (&nothing, &one)
        };
        nft::apply(&mut self.rules, &want.changes(have))?;
        if ours {
            self.elements.owned.insert(key);
        } else {
            self.elements.owned.remove(&key);
        }
        Ok(())
    }
}

/// The kernel's name of a server.
pub(super) fn id(key: ServiceKey) -> ServiceId {
    match key {
        ServiceKey::Address(address, port) => ServiceId::Address {
            protocol: Protocol(port.proto.into()),
            address: address.into(),
            port: port.number.get(),
        },
        ServiceKey::Mark(mark) => ServiceId::Mark {
            mark,
            family: Family::V4,
        },
    }
}

/// A server that could be ours.
pub(super) fn service_key(id: &ServiceId) -> Option<ServiceKey> {
    match *id {
        ServiceId::Address {
            protocol,
            address: IpAddr::V4(address),
            port,
        } => {
            let proto = u8::try_from(protocol.0).ok()?;
            let known = matches!(proto, lb_abi::TCP | lb_abi::UDP);
            known.then(|| ServiceKey::Address(address, Port::new(Be16::new(port), proto)))
        }
        ServiceId::Mark {
            mark,
            family: Family::V4,
        } => Some(ServiceKey::Mark(mark)),
        _ => None,
    }
}

fn service(key: ServiceKey, scheduler: Scheduler, persistence_s: u32) -> Service {
    let (name, flags) = kernel_name(scheduler);
    let mut service = Service::new(id(key), name);
    service.flags = flags;
    if persistence_s != 0 {
        service.flags = service.flags | Flags::PERSISTENT;
        service.timeout = persistence_s;
    }
    service
}

fn kernel_name(scheduler: Scheduler) -> (Name, Flags) {
    match scheduler {
        Scheduler::RoundRobin => (Name::ROUND_ROBIN, Flags::default()),
        Scheduler::LeastConnections => (Name::LEAST_CONNECTIONS, Flags::default()),
        Scheduler::SourceHash => (Name::SOURCE_HASH, Flags::default()),
        // mh-port: the client's port counts, too.
        Scheduler::Maglev => (Name::MAGLEV, Flags::SCHEDULER_2),
    }
}

fn scheduler(service: &Service) -> Option<Scheduler> {
    [
        Scheduler::RoundRobin,
        Scheduler::LeastConnections,
        Scheduler::SourceHash,
        Scheduler::Maglev,
    ]
    .into_iter()
    .find(|one| {
        let (name, flags) = kernel_name(*one);
        service.scheduler == name && service.flags.contains(flags)
    })
}

fn dest((address, port): DestinationKey, destination: Destination) -> Dest {
    let method = match destination.method {
        Method::Nat => ipvs::Method::Masq,
        Method::Route => ipvs::Method::Route,
    };
    Dest::new(address.into(), port, method, destination.weight)
}

/// A destination as we make them; one of another kind is not seen, so that it is put right.
fn destination(dest: &Dest) -> Option<(DestinationKey, Destination)> {
    let IpAddr::V4(address) = dest.address else {
        return None;
    };
    let method = match dest.method {
        ipvs::Method::Masq => Method::Nat,
        ipvs::Method::Route => Method::Route,
        _ => return None,
    };
    let weight = dest.weight;
    Some(((address, dest.port), Destination { method, weight }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_server_is_known_again_by_its_name() {
        let port = |proto| Port::new(Be16::new(8080), proto);
        let address = Ipv4Addr::new(10, 0, 0, 1);
        for ours in [
            ServiceKey::Address(address, port(lb_abi::TCP)),
            ServiceKey::Address(address, port(lb_abi::UDP)),
            ServiceKey::Mark(0x5100_0001),
        ] {
            assert_eq!(service_key(&id(ours)), Some(ours));
        }
    }

    #[test]
    fn a_scheduler_is_known_again_by_name_and_flags() {
        let key = ServiceKey::Mark(1);
        for one in [
            Scheduler::RoundRobin,
            Scheduler::LeastConnections,
            Scheduler::SourceHash,
            Scheduler::Maglev,
        ] {
            assert_eq!(scheduler(&service(key, one, 60)), Some(one));
        }
        let mut other = service(key, Scheduler::Maglev, 0);
        other.flags = Flags::default();
        assert_eq!(scheduler(&other), None);
    }

    #[test]
    fn a_destination_is_known_again() {
        let at = (Ipv4Addr::new(248, 0, 0, 1), 8080);
        for method in [Method::Nat, Method::Route] {
            let one = Destination { method, weight: 0 };
            assert_eq!(destination(&dest(at, one)), Some((at, one)));
        }
    }
}
