//! The server on managers: admission of sessions and calls.

use super::acceptor::{self, Caller};
use super::context::Context;
use super::rpc::sync_server::{Sync, SyncServer};
use super::stats::ClusterStats;
use super::{budget, session};
use lb_wire::proto::{ClusterStatsReply, ClusterStatsRequest, Down, Up};
use lb_wire::{STATS_BYTES, VIEW_BYTES};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// A session, and now and then a question beside it.
const STREAMS: u32 = 4;
/// Of the headers of a call, in bytes.
const HEADERS: u32 = 8 << 10;
/// Until a call has begun to be answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A silent connection gets a keep-alive ping after this time, and is closed after as much again.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Serves on `listen`, port as in `context`, while this node is a manager; until dropped.
pub(super) async fn run(context: Context, listen: IpAddr) {
    let (accepted, incoming) = mpsc::channel(16);
    let service = SyncServer::new(Service(context.clone()))
        .max_decoding_message_size(STATS_BYTES + 1024)
        .max_encoding_message_size(VIEW_BYTES);
    let serving = tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .timeout(ANSWERS_WITHIN)
        .add_service(service)
        .serve_with_incoming(ReceiverStream::new(incoming));
    let (served, ()) = tokio::join!(serving, acceptor::run(context, listen, accepted));
    if let Err(error) = served {
        tracing::error!(%error, "no longer serving other agents");
    }
}

/// Admits `caller`, or says why not.
pub(super) fn admit(context: &Context, caller: &Caller) -> Result<(), Status> {
    let subject = &caller.subject;
    // Open connections outlive the view store by a little.
    if context.views.has_changed().is_err() {
        return Err(Status::unavailable("this agent is stopping"));
    }
    let identity = context.certificate.borrow().identity.clone();
    let own = identity
        .ok_or_else(|| Status::unavailable("this node's own certificate is not there yet"))?;
    if subject.cluster != own.subject().cluster {
        return Err(Status::permission_denied(format!(
            "node {} is of Swarm {}, this is Swarm {}",
            subject.node,
            subject.cluster,
            own.subject().cluster
        )));
    }
    if caller.expires <= SystemTime::now() {
        return Err(Status::unauthenticated(format!(
            "the certificate of node {} has expired",
            subject.node
        )));
    }
    let view = context.views.borrow().clone();
    if !context.info.borrow().manager {
        return Err(Status::failed_precondition(
            "this node is no manager at present: ask another one",
        ));
    }
    if !view.snapshot.complete {
        return Err(Status::unavailable(
            "this manager's agent has not read the Swarm yet: try again",
        ));
    }
    if !view.snapshot.nodes.contains_key(&subject.node) {
        return Err(Status::permission_denied(format!(
            "node {} is not in the Swarm's list of nodes (any more)",
            subject.node
        )));
    }
    Ok(())
}

struct Service(Context);

impl Service {
    /// The admitted caller of `request`, if its budget has this `cost`.
    fn caller<T>(&self, request: &Request<T>, cost: u32) -> Result<Caller, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("a call without a connection"))?;
        admit(&self.0, caller).inspect_err(|status| {
            tracing::debug!(who = %caller.subject, reason = status.message(), "agent refused");
        })?;
        if !self.0.budgets.of(&caller.subject.node).take(cost) {
            return Err(Status::resource_exhausted(
                "this node calls too often: try again later",
            ));
        }
        Ok(caller.clone())
    }
}

#[tonic::async_trait]
impl Sync for Service {
    type SessionStream = ReceiverStream<Result<Down, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<Up>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = self.caller(&request, budget::SESSION)?;
        // Two: whoever does not keep up gets the newest view next, not all of them.
        let (down, stream) = mpsc::channel(2);
        tokio::spawn(session::serve(
            self.0.clone(),
            caller,
            request.into_inner(),
            down,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cluster_stats(
        &self,
        request: Request<ClusterStatsRequest>,
    ) -> Result<Response<ClusterStatsReply>, Status> {
        let caller = self.caller(&request, budget::CLUSTER)?;
        let _call = caller.begins();
        let json = ClusterStats::new(self.0.clone()).for_others().await;
        Ok(Response::new(ClusterStatsReply { json }))
    }
}
