//! The listening sockets that the router has from its agents.

use crate::downstream;
use lb_router_wire::{EntryPoint, Listener};
use lb_routes::table;
use rustix::net::sockopt::socket_cookie;
use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Listening sockets by their cookies.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sockets: HashMap<u64, (Listener, OwnedFd)>,
}

impl Listeners {
    /// Takes these in place of all others. A socket that is here already stays as it is.
    pub(super) fn replace(&mut self, listeners: &[Listener], sockets: Vec<OwnedFd>) {
        let mut before = std::mem::take(&mut self.sockets);
        for (listener, socket) in listeners.iter().zip(sockets) {
            let cookie = match socket_cookie(&socket) {
                Ok(cookie) => cookie,
                Err(error) => {
                    tracing::error!(%error, "a socket of the agent cannot be used");
                    continue;
                }
            };
            let socket = before.remove(&cookie).map_or(socket, |(_, known)| known);
            self.sockets.insert(cookie, (*listener, socket));
        }
    }

    /// All of them, for another agent.
    pub(super) fn to_send(&self) -> (Vec<Listener>, Vec<BorrowedFd<'_>>) {
        let sockets = self.sockets.values();
        sockets
            .map(|(listener, socket)| (*listener, socket.as_fd()))
            .unzip()
    }

    /// Those of one worker of so many.
    pub(super) fn of_worker(&self, worker: usize, workers: usize) -> Vec<downstream::Listener> {
        let mut of_worker = Vec::new();
        for (cookie, (listener, socket)) in &self.sockets {
            if listener.worker as usize % workers.max(1) != worker {
                continue;
            }
            let entry_point = match listener.entry_point {
                EntryPoint::Http => table::EntryPoint::Http,
                EntryPoint::Https => table::EntryPoint::Https,
                EntryPoint::Unknown => continue,
            };
            match socket.try_clone().map(TcpListener::from) {
                Ok(socket) => of_worker.push(downstream::Listener {
                    cookie: *cookie,
                    entry_point,
                    socket,
                }),
                Err(error) => tracing::error!(%error, "a listening socket cannot be used"),
            }
        }
        of_worker
    }
}
