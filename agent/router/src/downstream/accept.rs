//! Listening sockets of a worker.

use super::connection;
use crate::worker::Worker;
use lb_routes::table::EntryPoint;
use rustix::net::sockopt::set_tcp_nodelay;
use std::collections::HashMap;
use std::io;
use std::net;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_local};

/// How long nothing is accepted after the process ran out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The kernel's number of the socket (`SO_COOKIE`): descriptors of one socket share it.
    pub(crate) cookie: u64,
    /// What is served on it.
    pub(crate) entry_point: EntryPoint,
    /// The socket.
    pub(crate) socket: net::TcpListener,
}

/// The sockets on which a worker accepts, by their cookies.
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    tasks: HashMap<u64, JoinHandle<()>>,
}

impl Accepting {
    /// Accepts on these sockets and on no others. A socket that was there before goes on without a pause.
    pub(crate) fn replace(&mut self, worker: &Rc<Worker>, listeners: Vec<Listener>) {
        let wanted: Vec<u64> = listeners.iter().map(|listener| listener.cookie).collect();
        self.tasks.retain(|cookie, task| {
            let kept = wanted.contains(cookie);
            if !kept {
                task.abort();
            }
            kept
        });
        for listener in listeners {
            let cookie = listener.cookie;
            if self.tasks.contains_key(&cookie) {
                continue;
            }
            match prepare(listener.socket) {
                Ok((socket, port)) => {
                    let accepting = accept(worker.clone(), listener.entry_point, socket, port);
                    self.tasks.insert(cookie, spawn_local(accepting));
                }
                Err(error) => tracing::error!(%error, "a listening socket cannot be used"),
            }
        }
    }
}

/// A socket to accept on, and its port. What is said here once, each connection would have to be asked for and told: it has
/// the port of its listening socket, and inherits `TCP_NODELAY`.
fn prepare(socket: net::TcpListener) -> io::Result<(TcpListener, u16)> {
    // Answers are written whole; waiting for more only delays them.
    set_tcp_nodelay(&socket, true)?;
    let port = socket.local_addr()?.port();
    Ok((TcpListener::from_std(socket)?, port))
}

async fn accept(worker: Rc<Worker>, entry_point: EntryPoint, socket: TcpListener, port: u16) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => connection::start(&worker, entry_point, port, stream, peer),
            Err(error) if of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Is it an error of the connection that was to be accepted (accept(2)), and not of this process?
fn of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::prepare;
    use std::net;

    #[tokio::test]
    async fn connections_inherit_that_nothing_waits_for_more() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (listener, port) = prepare(listener).unwrap();
        assert_eq!(port, address.port());
        let _client = net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
