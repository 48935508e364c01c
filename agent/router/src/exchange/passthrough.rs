//! Connections of TLS that a service answers itself: the router chooses the task by the name that the client asks for,
//! and passes bytes.

use super::copy::{Watched, copy};
use super::forward::choose;
use crate::downstream::Client;
use crate::routing::Found;
use crate::upstream::Load;
use crate::worker::Worker;
use http::{HeaderMap, Version};
use lb_routes::balance::{Failure, Lookup, Outcome, may_retry};
use lb_routes::route::Target;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection of TLS that is passed to a task.
pub(crate) struct Passed {
    task: TcpStream,
    _load: Load,
}

impl Passed {
    /// Passes bytes between client and task until both have closed.
    pub(crate) async fn copy<S>(self, worker: &Worker, client: &Rc<Client>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let _under_way = client.request(Version::HTTP_11);
        let client = Watched::new(stream, &Rc::default());
        let task = Watched::new(self.task, &Rc::default());
        // Why it ends is between client and task.
        let _ = copy(client, task, worker.settings.limits.tunnel_idle).await;
    }
}

/// Connects to a task of the route's service; `None` if there is none that can be reached.
pub(crate) async fn pass(worker: &Worker, client: &Client, found: Found<'_>) -> Option<Passed> {
    let Target::Tasks(to) = &found.entry.route.target else {
        return None;
    };
    let service = found.service;
    let headers = HeaderMap::new();
    let count = worker.upstream.count_request(&service.id);
    let mut tried: Vec<u64> = Vec::new();
    loop {
        let lookup = Lookup {
            headers: &headers,
            client: client.address,
            tried: &tried,
            random: worker.random_u64(),
            count,
        };
        let (task, _) = choose(worker, found, &lookup)?;
        let load = worker.upstream.begin(task.key);
        let address = SocketAddr::new(task.address, to.port);
        let error = match worker.upstream.open(address).await {
            Ok(task) => return Some(Passed { task, _load: load }),
            Err(error) => error,
        };
        tracing::debug!(service = service.name, task = task.id, %error, "a task has failed");
        worker.upstream.ended(task.key, Outcome::Failed);
        tried.push(task.key);
        let tries = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        // Nothing was sent: it is as safe as any request that changes nothing.
        let may = may_retry(Failure::ConnectFailed, &http::Method::GET, true, tries);
        if !may || !worker.upstream.take_retry(&service.id) {
            return None;
        }
    }
}
