//! A router as tests have it: it says and reads what the protocol has, with the sockets that come along.

use super::{Router, Shared};
use lb_core::desired::{RoutedService, RoutedTask};
use lb_core::model::ids::Key;
use lb_router_wire::frame::{Decoder, encode};
use lb_router_wire::{EntryPoint, Listener, ToAgent, ToRouter, fds};
use rustix::net::sockopt::socket_cookie;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Two ports on which nobody listens, chosen by the kernel: those below 1024 are root's.
pub(super) fn ports() -> [u16; 2] {
    let chosen = [(), ()].map(|()| TcpListener::bind("[::]:0").unwrap());
    chosen.map(|socket| socket.local_addr().unwrap().port())
}

/// A service with one label and these tasks, each of which is active or not.
pub(super) fn service(tasks: &[(u64, bool)]) -> Arc<RoutedService> {
    let label = ("com.docker.lb.hosts".to_owned(), "a.example".to_owned());
    let task = |(key, active): &(u64, bool)| RoutedTask {
        id: format!("t{key}").as_str().into(),
        key: Key(*key),
        node: "node1".to_owned(),
        local: *key == 1,
        active: *active,
    };
    Arc::new(RoutedService {
        name: "web".to_owned(),
        created_ns: 7,
        labels: Arc::new(BTreeMap::from([label])),
        tasks: tasks.iter().map(task).collect(),
    })
}

/// What serves no socket of its own: sessions are begun by hand.
pub(super) fn agent(ports: [u16; 2]) -> Router {
    Router {
        shared: Arc::new(Shared::new("node1".to_owned(), ports)),
        accepting: tokio::spawn(async {}),
    }
}

pub(super) struct TestRouter {
    pub(super) stream: UnixStream,
    decoder: Decoder<ToRouter>,
    /// Those that came last.
    pub(super) sockets: Vec<OwnedFd>,
}

impl TestRouter {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            sockets: Vec::new(),
        }
    }

    pub(super) async fn say(&self, message: ToAgent, sockets: &[OwnedFd]) {
        let sockets: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
        let bytes = encode(message);
        let send = || fds::send(self.stream.as_fd(), &bytes, &sockets);
        let sent = self
            .stream
            .async_io(Interest::WRITABLE, send)
            .await
            .unwrap();
        assert_eq!(sent, bytes.len());
    }

    pub(super) async fn hello(&self, workers: u32, sockets: &[OwnedFd]) {
        let listener = Listener {
            entry_point: EntryPoint::Unknown,
            worker: 0,
        };
        let hello = ToAgent::Hello {
            version: "1.2.3".to_owned(),
            workers,
            listeners: vec![listener; sockets.len()],
        };
        self.say(hello, sockets).await;
    }

    /// The next message; `None`: the agent has closed.
    pub(super) async fn next(&mut self) -> Option<ToRouter> {
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 4096];
            let receive = || fds::receive(self.stream.as_fd(), &mut buffer);
            let (bytes, sockets) = self
                .stream
                .async_io(Interest::READABLE, receive)
                .await
                .ok()?;
            if bytes == 0 {
                return None;
            }
            if !sockets.is_empty() {
                self.sockets = sockets;
            }
            self.decoder.push(&buffer[..bytes]);
        }
    }

    /// What comes until nothing more comes.
    pub(super) async fn all(&mut self) -> Vec<ToRouter> {
        let mut messages = Vec::new();
        let quiet = std::time::Duration::from_millis(50);
        while let Ok(Some(message)) = tokio::time::timeout(quiet, self.next()).await {
            messages.push(message);
        }
        messages
    }

    /// The kernel's numbers of the sockets that came last.
    pub(super) fn cookies(&self) -> Vec<u64> {
        let sockets = self.sockets.iter();
        sockets
            .map(|socket| socket_cookie(socket).unwrap())
            .collect()
    }
}
