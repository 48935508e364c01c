//! IPVS, the kernel's own load balancer: its virtual services, their destinations, and what
//! they count. By generic netlink, as in `linux/ip_vs.h`; all of it is of the network
//! namespace of the thread that opens it.
//!
//! Other programs have virtual services, too (Docker's own mesh does). So every server that is
//! there is listed, whatever it is, and nothing here removes more than the one that is named.

mod connections;
mod dest;
mod error;
mod id;
mod info;
mod listing;
mod message;
mod service;
mod stats;

pub use connections::{Connection, Connections, connections};
pub use dest::{Dest, DestNow, Method, Tunnel, TunnelKind};
pub use error::{Error, Step};
pub use id::{Family, Protocol, ServiceId};
pub use info::{Info, Timeouts};
pub use service::{Flags, Name, Netmask, Service};
pub use stats::Stats;

use crate::socket::{self, NetlinkSocket};
use listing::Seen;
use message::{Attribute, Command, DEST, Message};
use netlink_packet_core::DecodeError;
use netlink_packet_generic::GenlMessage;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;

/// IPVS of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    socket: NetlinkSocket,
    /// The number that generic netlink gave to IPVS.
    family: u16,
    seen: Seen,
}

impl Ipvs {
    /// Finds IPVS; the kernel loads its module for that.
    ///
    /// # Errors
    /// When the kernel has none, or has no socket for us.
    pub fn open() -> Result<Self, Error> {
        let failed = |source| Error::Failed {
            step: Step::Open,
            source,
        };
        let mut socket = NetlinkSocket::open(NETLINK_GENERIC).map_err(failed)?;
        let answer = match socket.request(Message::family(), 0) {
            Err(error) if error.refused() == Some(Errno::ENOENT) => return Err(Error::Absent),
            answer => answer.map_err(failed)?,
        };
        let family = answer.iter().find_map(|one| one.payload.family_id());
        let family = family.ok_or_else(|| failed(incomplete()))?;
        Ok(Self {
            socket,
            family,
            seen: Seen::default(),
        })
    }

    /// Version and table size of IPVS.
    ///
    /// # Errors
    /// When the caller is not an administrator of the network namespace (`EPERM`, as with all
    /// that follows).
    pub fn info(&mut self) -> Result<Info, Error> {
        let answer = self.request(Step::Info, Command::GetInfo, vec![])?;
        one(Step::Info, &answer, Info::parse)
    }

    /// The timeouts.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let answer = self.request(Step::Timeouts, Command::GetConfig, vec![])?;
        one(Step::Timeouts, &answer, Timeouts::parse)
    }

    /// Changes the timeouts; one of 0 stays as it is. Connections that are known keep theirs
    /// until their next packet.
    ///
    /// # Errors
    /// When one is too long (`EINVAL`).
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        let attributes = timeouts.attributes();
        self.request(Step::SetTimeouts, Command::SetConfig, attributes)
            .map(drop)
    }

    /// Adds a virtual service.
    ///
    /// # Errors
    /// When it is there (`EEXIST`), or the kernel has no such scheduler (`ENOENT`).
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        let step = Step::AddService(service.id);
        let done = self.request(step, Command::NewService, vec![service.attribute()]);
        let there = match &done {
            Ok(_) => true,
            Err(error) => error.refused() == Some(Errno::EEXIST),
        };
        if there {
            self.seen.there(service.id);
        }
        done.map(drop)
    }

    /// Changes a virtual service into this one; its destinations and connections stay.
    ///
    /// # Errors
    /// When it is not there (`ESRCH`), or the kernel has no such scheduler (`ENOENT`).
    pub fn set_service(&mut self, service: &Service) -> Result<(), Error> {
        let step = Step::SetService(service.id);
        self.request(step, Command::SetService, vec![service.attribute()])
            .map(drop)
    }

    /// Removes a virtual service with its destinations.
    ///
    /// # Errors
    /// When it is not there (`ESRCH`).
    pub fn del_service(&mut self, id: &ServiceId) -> Result<(), Error> {
        let step = Step::DelService(*id);
        self.request(step, Command::DelService, vec![id.attribute()])?;
        self.seen.gone(id);
        Ok(())
    }

    /// The destinations of a virtual one, the youngest first; none if there is no such server.
    /// The kernel tells a long list in parts: what others change of it meanwhile may hide a server
    /// or tell it twice.
    ///
    /// # Errors
    /// When the kernel refuses, or can't be understood.
    pub fn dests(&mut self, id: &ServiceId) -> Result<Vec<(Dest, DestNow)>, Error> {
        let step = Step::Dests(*id);
        let answer = self.dump(step, Command::GetDest, vec![id.attribute()])?;
        several(step, &answer, DEST, |bytes| Dest::parse(id.family(), bytes))
    }

    /// Adds a destination to a virtual service.
    ///
    /// # Errors
    /// When it has it (`EEXIST`), is not there (`ESRCH`), or can't have such a one (`EINVAL`, as
    /// with IPv6 for IPv4 but by tunnels, GUE without a port, broadcast, or anything while the
    /// network namespace has no address at all).
    pub fn add_dest(&mut self, id: &ServiceId, dest: &Dest) -> Result<(), Error> {
        let attributes = vec![id.attribute(), dest.attribute()];
        self.request(Step::AddDest(*id, *dest), Command::NewDest, attributes)
            .map(drop)
    }

    /// Changes the destination of this address and port into this one.
    ///
    /// # Errors
    /// When the virtual service is not there (`ESRCH`) or has no such one (`ENOENT`).
    pub fn set_dest(&mut self, id: &ServiceId, dest: &Dest) -> Result<(), Error> {
        let attributes = vec![id.attribute(), dest.attribute()];
        self.request(Step::SetDest(*id, *dest), Command::SetDest, attributes)
            .map(drop)
    }

    /// Removes the destination of this address and port; the rest of `dest` doesn't matter. What
    /// becomes of its connections is a matter of `net.ipv4.vs.expire_nodest_conn`.
    ///
    /// # Errors
    /// When the virtual service is not there (`ESRCH`) or has no such one (`ENOENT`).
    pub fn del_dest(&mut self, id: &ServiceId, dest: &Dest) -> Result<(), Error> {
        let attributes = vec![id.attribute(), dest.name()];
        self.request(Step::DelDest(*id, *dest), Command::DelDest, attributes)
            .map(drop)
    }

    fn request(
        &mut self,
        step: Step,
        command: Command,
        attributes: Vec<Attribute>,
    ) -> Result<Vec<GenlMessage<Message>>, Error> {
        let message = Message::new(self.family, command, attributes);
        self.socket
            .request(message, 0)
            .map_err(|source| Error::Failed { step, source })
    }

    fn dump(
        &mut self,
        step: Step,
        command: Command,
        attributes: Vec<Attribute>,
    ) -> Result<Vec<GenlMessage<Message>>, Error> {
        let message = Message::new(self.family, command, attributes);
        self.socket
            .dump(message)
            .map_err(|source| Error::Failed { step, source })
    }
}

/// The answer that is one message.
fn one<T>(
    step: Step,
    answer: &[GenlMessage<Message>],
    parse: impl Fn(&Message) -> Option<T>,
) -> Result<T, Error> {
    let found = answer.iter().find_map(|message| parse(&message.payload));
    found.ok_or_else(|| Error::Failed {
        step,
        source: incomplete(),
    })
}

/// The answer that is a message for each thing.
fn several<T>(
    step: Step,
    answer: &[GenlMessage<Message>],
    kind: u16,
    parse: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
) -> Result<Vec<T>, Error> {
    let values = answer.iter().filter_map(|one| one.payload.find(kind));
    values
        .filter_map(|value| parse(value).transpose())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Failed {
            step,
            source: socket::Error::Garbled(error.to_string()),
        })
}

fn incomplete() -> socket::Error {
    socket::Error::Garbled("what was asked for is not in it".to_owned())
}

#[cfg(test)]
mod tests;
