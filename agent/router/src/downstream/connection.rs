//! One connection of a client.

use super::client::Client;
use super::prefixed::Prefixed;
use super::stall::unless_stalled;
use super::{client_hello, proxy_header};
use crate::clock::Seconds;
use crate::exchange;
use crate::limits::Limits;
use crate::worker::Worker;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use lb_router_wire::stats::Total;
use lb_routes::heads::trusts;
use lb_routes::rule::Host;
use lb_routes::table::EntryPoint;
use rustls::{HandshakeKind, ProtocolVersion};
use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

/// Spawns the streams of HTTP/2 on this thread, and ends those whose clients take nothing.
#[derive(Clone, Copy)]
struct Local {
    taking: Duration,
}

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(unless_stalled(self.taking, future));
    }
}

/// Serves a connection in a task of its own; ends it at once where too many are open.
pub(super) fn start(
    worker: &Rc<Worker>,
    entry_point: EntryPoint,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let address = peer.ip().to_canonical();
    let proxy = trusts(&worker.settings.proxy_protocol, address);
    let Some(open) = worker.connections.open(address, proxy, Seconds::now()) else {
        worker.stats.up(Total::RejectedConnections);
        return;
    };
    let counted = match entry_point {
        EntryPoint::Http => Total::ConnectionsHttpNew,
        EntryPoint::Https => Total::ConnectionsHttpsNew,
    };
    worker.stats.up(counted);
    // Answers are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let port = stream.local_addr().map_or(0, |local| local.port());
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
            EntryPoint::Http => serve_http(&worker, &client, stream).await,
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
    serve_http(worker, client, stream).await;
}

/// HTTP/1.1, or HTTP/2 if the client begins with its preface (RFC 9113, section 3.4).
async fn serve_http<S>(worker: &Rc<Worker>, client: &Rc<Client>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = protocols(&worker.settings.limits);
    let service = service_fn(|request| {
        // On the heap: hyper has room for this future in each connection, and moves it into the task of each stream.
        let answer = Box::pin(exchange::answer(worker.clone(), client.clone(), request));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = async {
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = client.open.told_to_close() => connection.as_mut().graceful_shutdown(),
            }
        }
    };
    match unless_stalled(worker.settings.limits.taking, served).await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            let parse = |error: &hyper::Error| error.is_parse() || error.is_parse_too_large();
            if error.downcast_ref().is_some_and(parse) {
                worker.stats.up(Total::RejectedNoHttp);
            }
            tracing::debug!(client = %client.address, error = %error, "connection ended");
        }
        None => {
            worker.stats.up(Total::RejectedTakesNothing);
            tracing::debug!(client = %client.address, "a client takes nothing");
        }
    }
}

fn protocols(limits: &Limits) -> auto::Builder<Local> {
    let mut builder = auto::Builder::new(Local {
        taking: limits.taking,
    });
    builder
        .http1()
        .half_close(true)
        .max_buf_size(limits.head_bytes as usize)
        // Heads are timed by `Connections`: no timer for each request.
        .header_read_timeout(None);
    builder
        .http2()
        .max_header_list_size(limits.head_bytes)
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(limits.stream_buffer)
        .enable_connect_protocol();
    builder
}
