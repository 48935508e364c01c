//! The agent's end of a router's session: messages, and the sockets that go with them.

use lb_router_wire::certificates::Certificates;
use lb_router_wire::frame::{self, Decoder};
use lb_router_wire::{EntryPoint, Listener, ToAgent, ToRouter, fds};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// A connected router.
pub(super) struct Session {
    stream: UnixStream,
    decoder: Decoder<ToAgent>,
    /// What it has said of its certificates, and nobody has taken.
    told: VecDeque<Certificates>,
}

impl Session {
    /// Waits for a router; the sockets that it brings.
    pub(super) fn accept(agent: &UnixListener) -> (Self, Vec<OwnedFd>) {
        let (stream, _) = agent.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut session = Self {
            stream,
            decoder: Decoder::default(),
            told: VecDeque::new(),
        };
        let mut buffer = [0; 4096];
        let (length, sockets) = fds::receive(session.stream.as_fd(), &mut buffer).unwrap();
        session.decoder.push(&buffer[..length]);
        let hello = session.next();
        let ToAgent::Hello { listeners, .. } = hello else {
            panic!("{hello:?}");
        };
        assert_eq!(listeners.len(), sockets.len());
        session.say(ToRouter::Hello {
            version: "test".into(),
            hostname: "node1".into(),
            stats: true,
        });
        (session, sockets)
    }

    /// The sockets of both entry points.
    pub(super) fn hand_over(&mut self, sockets: &[OwnedFd]) {
        let listeners = [EntryPoint::Http, EntryPoint::Https].map(|entry_point| Listener {
            entry_point,
            worker: 0,
        });
        let bytes = frame::encode(ToRouter::Listeners(listeners.into()));
        let sockets: Vec<_> = sockets.iter().map(OwnedFd::as_fd).collect();
        let sent = fds::send(self.stream.as_fd(), &bytes, &sockets).unwrap();
        assert_eq!(sent, bytes.len());
    }

    pub(super) fn say(&mut self, message: ToRouter) {
        self.stream.write_all(&frame::encode(message)).unwrap();
    }

    pub(super) fn applied(&mut self, version: u64) {
        loop {
            match self.next() {
                ToAgent::Stats(_) => {}
                answer => return assert_eq!(answer, ToAgent::Applied(version)),
            }
        }
    }

    /// Closes it.
    pub(super) fn end(&self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }

    /// The next message about its certificates.
    pub(super) fn certificates(&mut self) -> Certificates {
        loop {
            match self.told.pop_front() {
                Some(told) => return told,
                None => drop(self.next()),
            }
        }
    }

    /// The next message that is not about its certificates.
    pub(super) fn next(&mut self) -> ToAgent {
        let mut buffer = [0; 4096];
        loop {
            match self.decoder.next_message().unwrap() {
                Some(ToAgent::Certificates(told)) => {
                    self.told.push_back(told);
                    continue;
                }
                Some(message) => return message,
                None => {}
            }
            let length = self.stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "the router closed its connection");
            self.decoder.push(&buffer[..length]);
        }
    }
}
