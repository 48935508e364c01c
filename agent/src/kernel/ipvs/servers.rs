//! Virtual and real servers, in the core's words and in the kernel's.

use super::elements::{is_ours, own};
use super::{IpvsError, IpvsKernel};
use lb_abi::Be16;
use lb_abi::service::Port;
use lb_core::ipvs::{Method, Real, RealKey, Scheduler, Server, Setup};
use lb_netlink::claim::Elements;
use lb_netlink::ipvs::{self, Dest, Family, Flags, Name, Protocol, Service, ServiceId};
use lb_netlink::nft;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl IpvsKernel {
    /// Those that are ours; takes note of those that are not.
    pub(super) fn servers(&mut self) -> Result<BTreeMap<Server, Setup>, IpvsError> {
        self.foreign.clear();
        let mut servers = BTreeMap::new();
        for (service, _) in self.ipvs.services()? {
            let Some(server) = server(&service.id) else {
                continue;
            };
            if is_ours(&self.elements, server) {
                self.mine.insert(server);
            } else if !self.mine.contains(&server) {
                self.foreign.insert(server);
                continue;
            }
            let dests = self.ipvs.dests(&service.id)?;
            let mut reals = BTreeMap::new();
            for (dest, _) in &dests {
                reals.extend(real(dest));
            }
            // One that somebody changed into what it never is, is made anew.
            let Some(scheduler) = scheduler(&service) else {
                self.ipvs.del_service(&service.id)?;
                continue;
            };
            let keep_s = if service.flags.contains(Flags::PERSISTENT) {
                service.timeout
            } else {
                0
            };
            servers.insert(
                server,
                Setup {
                    scheduler,
                    keep_s,
                    reals,
                },
            );
        }
        Ok(servers)
    }

    pub(super) fn put_server(
        &mut self,
        server: Server,
        scheduler: Scheduler,
        keep_s: u32,
    ) -> Result<(), IpvsError> {
        let service = service(server, scheduler, keep_s);
        if self.mine.contains(&server) || is_ours(&self.elements, server) {
            self.note(server, true)?;
            return match self.ipvs.set_service(&service) {
                Err(error) if error.refused() == Some(Errno::ESRCH) => {
                    Ok(self.ipvs.add_service(&service)?)
                }
                done => Ok(done?),
            };
        }
        if self.foreign.contains(&server) {
            return Err(IpvsError::Foreign);
        }
        // Written down first: what nobody owns is never removed.
        self.note(server, true)?;
        let added = self.ipvs.add_service(&service);
        if added.is_ok() {
            self.mine.insert(server);
        } else {
            self.note(server, false)?;
        }
        match added {
            Err(error) if error.refused() == Some(Errno::EEXIST) => Err(IpvsError::Foreign),
            done => Ok(done?),
        }
    }

    pub(super) fn remove_server(&mut self, server: Server) -> Result<(), IpvsError> {
        match self.ipvs.del_service(&id(server)) {
            Err(error) if error.refused() != Some(Errno::ESRCH) => Err(error.into()),
            _ => {
                self.mine.remove(&server);
                self.note(server, false)
            }
        }
    }

    pub(super) fn put_real(
        &mut self,
        server: Server,
        key: RealKey,
        real: Real,
    ) -> Result<(), IpvsError> {
        let (id, dest) = (id(server), dest(key, real));
        match self.ipvs.add_dest(&id, &dest) {
            Err(error) if error.refused() == Some(Errno::EEXIST) => {
                Ok(self.ipvs.set_dest(&id, &dest)?)
            }
            done => Ok(done?),
        }
    }

    pub(super) fn remove_real(&mut self, server: Server, key: RealKey) -> Result<(), IpvsError> {
        let real = Real {
            method: Method::Nat,
            weight: 0,
        };
        match self.ipvs.del_dest(&id(server), &dest(key, real)) {
            Err(error) if !matches!(error.refused(), Some(Errno::ENOENT | Errno::ESRCH)) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes down whose a server is.
    fn note(&mut self, server: Server, ours: bool) -> Result<(), IpvsError> {
        if ours == is_ours(&self.elements, server) {
            return Ok(());
        }
        let (nothing, mut one) = (Elements::default(), Elements::default());
        own(&mut one, server, true);
        let (want, have) = if ours {
            (&one, &nothing)
        } else {
            (&nothing, &one)
        };
        nft::apply(&mut self.rules, &want.changes(have))?;
        own(&mut self.elements, server, ours);
        Ok(())
    }
}

/// The kernel's name of a server.
pub(super) fn id(server: Server) -> ServiceId {
    match server {
        Server::Address(address, port) => ServiceId::Address {
            protocol: Protocol(port.proto.into()),
            address: address.into(),
            port: port.number.get(),
        },
        Server::Mark(mark) => ServiceId::Mark {
            mark,
            family: Family::V4,
        },
    }
}

/// A server that could be ours.
pub(super) fn server(id: &ServiceId) -> Option<Server> {
    match *id {
        ServiceId::Address {
            protocol,
            address: IpAddr::V4(address),
            port,
        } => {
            let proto = u8::try_from(protocol.0).ok()?;
            let known = matches!(proto, lb_abi::TCP | lb_abi::UDP);
            known.then(|| Server::Address(address, Port::new(Be16::new(port), proto)))
        }
        ServiceId::Mark {
            mark,
            family: Family::V4,
        } => Some(Server::Mark(mark)),
        _ => None,
    }
}

fn service(server: Server, scheduler: Scheduler, keep_s: u32) -> Service {
    let (name, flags) = kernel_name(scheduler);
    let mut service = Service::new(id(server), name);
    service.flags = flags;
    if keep_s != 0 {
        service.flags = service.flags | Flags::PERSISTENT;
        service.timeout = keep_s;
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

fn dest((address, port): RealKey, real: Real) -> Dest {
    let method = match real.method {
        Method::Nat => ipvs::Method::Masq,
        Method::Route => ipvs::Method::Route,
    };
    Dest::new(address.into(), port, method, real.weight)
}

/// A real server as we make them; one of another kind is not seen, so that it is put right.
fn real(dest: &Dest) -> Option<(RealKey, Real)> {
    let IpAddr::V4(address) = dest.address else {
        return None;
    };
    let method = match dest.method {
        ipvs::Method::Masq => Method::Nat,
        ipvs::Method::Route => Method::Route,
        _ => return None,
    };
    let weight = dest.weight;
    Some(((address, dest.port), Real { method, weight }))
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
            Server::Address(address, port(lb_abi::TCP)),
            Server::Address(address, port(lb_abi::UDP)),
            Server::Mark(0x5100_0001),
        ] {
            assert_eq!(server(&id(ours)), Some(ours));
        }
    }

    #[test]
    fn a_scheduler_is_known_again_by_name_and_flags() {
        let server = Server::Mark(1);
        for one in [
            Scheduler::RoundRobin,
            Scheduler::LeastConnections,
            Scheduler::SourceHash,
            Scheduler::Maglev,
        ] {
            assert_eq!(scheduler(&service(server, one, 60)), Some(one));
        }
        let mut other = service(server, Scheduler::Maglev, 0);
        other.flags = Flags::default();
        assert_eq!(scheduler(&other), None);
    }

    #[test]
    fn a_real_server_is_known_again() {
        let key = (Ipv4Addr::new(248, 0, 0, 1), 8080);
        for method in [Method::Nat, Method::Route] {
            let one = Real { method, weight: 0 };
            assert_eq!(real(&dest(key, one)), Some((key, one)));
        }
    }
}
