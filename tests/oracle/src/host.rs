//! Calls of processes on a node, before there is a packet.

use crate::names::{NETWORK, Port as Number, Who};
use crate::tables::be;
use arbitrary::Arbitrary;
use lb_abi::service::{LOCAL, Port, TARGETS, TargetKey};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;
use lb_datapath::socket_lb::{Address, Socket, asked, connect, mapped, send};

#[derive(Arbitrary, Debug)]
pub(crate) struct Call {
    send: bool,
    name: Name,
    number: Number,
    pub(crate) cookie: u8,
    bound: Option<Who>,
    tcp: bool,
    foreign: bool,
}

#[derive(Arbitrary, Debug)]
enum Name {
    V4(Who),
    Unspecified,
    V6([u32; 4]),
}

impl Call {
    pub(crate) fn on(&self, memory: &Memory) {
        let was = memory.clone();
        let socket = Socket {
            cookie: u64::from(self.cookie & 3),
            network: if self.foreign { 1 } else { NETWORK },
            user: 0,
            bound: self.bound.map_or(Be32::ZERO, |who| be(who.address())),
            proto: if self.tcp { TCP } else { UDP },
        };
        let address: Address = match &self.name {
            Name::V4(who) => mapped(be(who.address())),
            Name::Unspecified => mapped(Be32::ZERO),
            Name::V6(words) => words.map(Be32::new),
        };
        let number = Be16::new(self.number.number());
        let pointed = if self.send {
            send(memory, &socket, address, number)
        } else {
            connect(memory, &socket, address, number)
        };
        let frontend = was.frontends.get(&Port::new(number, socket.proto));
        let (Some((to, port)), Some(frontend)) = (pointed, frontend) else {
            assert_eq!(pointed, None, "pointed away from a port that is nobody's");
            assert!(frontend.is_some() || was == *memory, "a trace of a call");
            return;
        };
        assert!(!self.foreign && was.settings.is_some(), "not the host's");
        assert!(self.send || !was.expired, "a new flow without a lease");
        let published = Port::new(number, socket.proto);
        let found = was.backends.iter().any(|(task, backend)| {
            let own = was.targets.get(&TargetKey::new(published, *task));
            let own = own.filter(|_| frontend.flags & TARGETS != 0);
            let at = if backend.locality == LOCAL {
                own.copied().unwrap_or(frontend.target)
            } else {
                number
            };
            backend.address == to && at == port
        });
        assert!(found, "pointed at no task: {to:?} {port:?}");
        let told = asked(memory, socket.cookie, mapped(to), port);
        assert_eq!(told, Some((address, number)), "whom it asked for");
    }
}
