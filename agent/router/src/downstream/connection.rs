//! One connection of a client.

use super::connections::Open;
use crate::clock::Seconds;
use crate::exchange;
use crate::worker::Worker;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use lb_routes::table::EntryPoint;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// A client, as its requests share it.
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The port that it came to.
    pub(crate) entry_point: EntryPoint,
    open: Open,
}

impl Client {
    /// Counts a request as under way until what this returns is dropped.
    pub(crate) fn request(self: &Rc<Self>) -> UnderWay {
        self.open.begin();
        UnderWay(self.clone())
    }
}

/// A request that is under way.
pub(crate) struct UnderWay(Rc<Client>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.open.end(Seconds::now());
    }
}

/// Spawns futures that stay on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(future);
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
    let Some(open) = worker.connections.open(address, Seconds::now()) else {
        return;
    };
    // Answers are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let client = Rc::new(Client {
        address,
        entry_point,
        open,
    });
    spawn_local(serve(worker.clone(), client, stream));
}

async fn serve(worker: Rc<Worker>, client: Rc<Client>, stream: TcpStream) {
    let limits = worker.limits;
    let mut builder = auto::Builder::new(Local);
    builder
        .http1()
        .half_close(true)
        .max_headers(limits.head_fields + 1)
        .max_buf_size(limits.head_bytes as usize)
        // Heads are timed by `Connections`: no timer for each request.
        .header_read_timeout(None);
    builder
        .http2()
        .max_header_list_size(limits.head_bytes)
        .max_concurrent_streams(limits.streams)
        .enable_connect_protocol();
    let service = service_fn(|request| {
        let answer = exchange::answer(worker.clone(), client.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(client = %client.address, error = %error, "connection ended");
                }
                return;
            }
            () = client.open.told_to_close() => connection.as_mut().graceful_shutdown(),
            () = client.open.told_to_end() => return,
        }
    }
}
