//! One connection of a client.

use super::client::Client;
use super::http::{self, Version};
use super::prefixed::Prefixed;
use super::{client_hello, proxy_header};
use crate::clock::Seconds;
use crate::exchange;
use crate::worker::Worker;
use lb_router_wire::stats::Total;
use lb_routes::heads::trusts;
use lb_routes::rule::Host;
use lb_routes::table::EntryPoint;
use rustls::{HandshakeKind, ProtocolVersion};
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

/// Serves a connection in a task of its own; ends it at once where too many are open.
pub(super) fn start(
    worker: &Rc<Worker>,
    entry_point: EntryPoint,
    port: u16,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let address = peer.ip().to_canonical();
    let proxy = trusts(&worker.settings.proxy_protocol, address);
    let balancer = proxy || trusts(&worker.settings.forwarded.trusted, address);
    let Some(open) = worker.connections.open(address, balancer, Seconds::now()) else {
        worker.stats.up(Total::RejectedConnections);
        return;
    };
    let counted = match entry_point {
        EntryPoint::Http => Total::ConnectionsHttpNew,
        EntryPoint::Https => Total::ConnectionsHttpsNew,
    };
    worker.stats.up(counted);
    let client = Client {
        address,
        peer_port: peer.port(),
        entry_point,
        port,
        tls_name: OnceCell::new(),
        tls_version: Cell::new(""),
        counted: Cell::new(counted),
        stats: worker.stats.clone(),
        open,
        downstream: OnceCell::new(),
        upgrade: RefCell::default(),
    };
    let stream = Prefixed::new(stream);
    if proxy {
        spawn_local(serve_proxied(worker.clone(), client, stream));
    } else {
        spawn_local(serve(worker.clone(), Rc::new(client), stream));
    }
}

/// Serves a connection that a balancer passes on, as that of the client that it names.
async fn serve_proxied(worker: Rc<Worker>, mut client: Client, mut stream: Prefixed<TcpStream>) {
    let limit = worker.settings.limits.handshake;
    match tokio::time::timeout(limit, proxy_header::read(&mut stream)).await {
        Ok(Ok(named)) => {
            client.address = named.map_or(client.address, |it| it.to_canonical());
            Box::pin(serve(worker, Rc::new(client), stream)).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(balancer = %client.address, %error, "a connection is not served");
        }
        Err(_) => {}
    }
}

/// Serves until the client closes, or this side ends it.
async fn serve(worker: Rc<Worker>, client: Rc<Client>, stream: Prefixed<TcpStream>) {
    let served = async {
        match client.entry_point {
            // Its first bytes say which version it speaks.
            EntryPoint::Http => http::serve(&worker, &client, stream, None).await,
            // On the heap: connections without TLS need no room for it.
            EntryPoint::Https => Box::pin(serve_https(&worker, &client, stream)).await,
        }
    };
    tokio::select! {
        biased;
        () = served => {}
        () = client.open.told_to_end() => {
            if matches!(client.counted.get(), Total::ConnectionsHttpNew | Total::ConnectionsHttpsNew) {
                worker.stats.up(Total::RejectedNoRequest);
            }
        }
    }
}

async fn serve_https(worker: &Rc<Worker>, client: &Rc<Client>, mut stream: Prefixed<TcpStream>) {
    let limit = worker.settings.limits.handshake;
    let routing = worker.routing();
    if routing.passes_tls() {
        let Ok(Ok(name)) = tokio::time::timeout(limit, client_hello::name(&mut stream)).await
        else {
            return;
        };
        if let Some(found) = name.and_then(|name| routing.passthrough(&name)) {
            let passed = exchange::pass(worker, client, found).await;
            // A tunnel lives long, and does not keep what was routed when it began.
            drop(routing);
            if let Some(passed) = passed {
                passed.copy(worker, client, stream).await;
            }
            return;
        }
    }
    drop(routing);
    let acceptor = TlsAcceptor::from(worker.tls.config.clone());
    let stream = match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Err(_) => {
            worker.stats.up(Total::TlsTimeout);
            return;
        }
        Ok(Err(error)) => {
            worker.stats.up(Total::TlsFailed);
            tracing::debug!(client = %client.address, %error, "no TLS with a client");
            return;
        }
    };
    let session = stream.get_ref().1;
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let (version, handshake) = match (session.protocol_version(), resumed) {
        (Some(ProtocolVersion::TLSv1_3), false) => ("1.3", Total::Tls13Full),
        (Some(ProtocolVersion::TLSv1_3), true) => ("1.3", Total::Tls13Resumed),
        (_, false) => ("1.2", Total::Tls12Full),
        (_, true) => ("1.2", Total::Tls12Resumed),
    };
    worker.stats.up(handshake);
    client.tls_version.set(version);
    if let Some(name) = stream.get_ref().1.server_name().and_then(Host::of) {
        let _ = client.tls_name.set(name);
    }
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Some(Version::Http2),
        Some(_) => Some(Version::Http1),
        None => None,
    };
    http::serve(worker, client, Prefixed::new(stream), version).await;
}
