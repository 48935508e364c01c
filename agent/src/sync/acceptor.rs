//! Accepts connections of other agents: which may begin a TLS handshake, and which connections stay.
//!
//! The port is open only while this node is a manager, and only at its address in the Swarm. Strangers
//! share a few handshakes; a node of the Swarm never waits for them. Each node has one connection, which
//! is closed while it is not used.

mod connections;
mod handshakes;
mod stream;

pub(super) use connections::Caller;
pub(super) use stream::ClosableStream;

use super::admission::Admission;
use super::problems::Problems;
use connections::Connections;
use handshakes::Handshakes;
use lb_core::model::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Time limit of a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// Pause before a port that is taken is tried again.
const RETRY: Duration = Duration::from_secs(1);

type Out = mpsc::Sender<io::Result<ClosableStream>>;

/// Accepts connections while this node is a manager.
pub(super) struct Acceptor {
    /// Address to listen on where this node's own one in the Swarm is unknown, or not one of this host's.
    pub(super) listen: IpAddr,
    /// TCP port of all agents.
    pub(super) port: u16,
    /// Knows this node's role, address and certificate, and the Swarm's nodes.
    pub(super) admission: Admission,
    /// Problems with the port, for operators.
    pub(super) problems: Problems,
}

impl Acceptor {
    /// Accepts connections into `out` until that is closed.
    pub(super) async fn run(self, out: Out) {
        let connections = Arc::new(Connections::default());
        let opens = self.follow_info(&connections, &out);
        let closes = async {
            let mut tick = interval(super::HEARTBEAT_INTERVAL);
            loop {
                tick.tick().await;
                connections.close_unused(Instant::now());
            }
        };
        tokio::select! {
            () = opens => {}
            () = closes => {}
            () = out.closed() => {}
        }
    }

    /// Opens and closes the port as this node's role and address change.
    async fn follow_info(&self, connections: &Arc<Connections>, out: &Out) {
        let mut news = self.admission.info.clone();
        loop {
            let info = news.borrow_and_update().clone();
            let place = info
                .manager
                .then(|| info.address.map_or(self.listen, IpAddr::V4));
            let watched = async {
                // Other changes of the facts are no reason to close the port.
                loop {
                    if news.changed().await.is_err() {
                        return false;
                    }
                    let next = news.borrow().clone();
                    if (next.manager, next.address) != (info.manager, info.address) {
                        return true;
                    }
                }
            };
            let open = async {
                match place {
                    Some(place) => self.listen_at(place, connections, out).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                goes_on = watched => if !goes_on { return },
                () = open => {}
            }
        }
    }

    /// Keeps the port open at `place`, and accepts.
    async fn listen_at(&self, place: IpAddr, connections: &Arc<Connections>, out: &Out) {
        const OBJECT: &str = "port of the agents";
        let port = self.port;
        let listener = loop {
            match self.bind(place).await {
                Ok(listener) => break listener,
                Err(error) => {
                    let message = format!(
                        "cannot listen on {place}:{port} for other agents: {error}; free the port, or choose another one with --port on all nodes"
                    );
                    self.problems.set(OBJECT, Some(message));
                    sleep(RETRY).await;
                }
            }
        };
        self.problems.set(OBJECT, None);
        self.accept(listener, connections, out).await;
    }

    async fn bind(&self, place: IpAddr) -> io::Result<TcpListener> {
        match TcpListener::bind((place, self.port)).await {
            // Behind address translation, the node's address in the Swarm is not on this host.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                TcpListener::bind((self.listen, self.port)).await
            }
            bound => bound,
        }
    }

    async fn accept(&self, listener: TcpListener, connections: &Arc<Connections>, out: &Out) {
        let mut handshakes = Handshakes::new();
        let mut known = BTreeSet::new();
        let mut views = self.admission.views.clone();
        views.mark_changed();
        loop {
            let (tcp, from) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Mostly too many open files, which passes.
                        tracing::warn!(%error, "agent's connection not accepted");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = handshakes.done() => continue,
                Ok(()) = views.changed() => {
                    known = addresses(&views.borrow_and_update().snapshot);
                    continue;
                }
            };
            let Some(identity) = self.admission.identity() else {
                continue;
            };
            let source = Some(from.ip()).filter(|address| known.contains(address));
            let (admission, connections, out) =
                (self.admission.clone(), connections.clone(), out.clone());
            let tls = TlsAcceptor::from(identity.server());
            handshakes.take(source, async move {
                if let Some(stream) = handshake(tls, tcp, from, &admission, &connections).await {
                    let _ = out.send(Ok(stream)).await;
                }
            });
        }
    }
}

/// Addresses of the Swarm's nodes. A node whose address is unknown shares the strangers' handshakes.
fn addresses(view: &Snapshot) -> BTreeSet<IpAddr> {
    let nodes = view.nodes.values();
    nodes
        .filter_map(|node| node.address.map(IpAddr::V4))
        .collect()
}

async fn handshake(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    from: SocketAddr,
    admission: &Admission,
    connections: &Connections,
) -> Option<ClosableStream> {
    let _ = tcp.set_nodelay(true);
    let stream = match timeout(HANDSHAKE_WITHIN, acceptor.accept(tcp)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%from, %error, "handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!(%from, "handshake took too long");
            return None;
        }
    };
    let (_, tls) = stream.get_ref();
    let caller = Caller::of(from.ip(), tls.peer_certificates()?)?;
    let member = admission.is_member(&caller.subject)?;
    let ended = connections.enter(&caller, member)?;
    Some(ClosableStream::new(stream, caller, ended))
}
