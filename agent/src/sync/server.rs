//! The server on managers: sessions and calls of other agents.

use super::acceptor::{Acceptor, Caller};
use super::admission::Admission;
use super::budget::{self, Budget, Budgets};
use super::rpc::sync_server::{Sync, SyncServer};
use super::session;
use super::stats::ClusterStats;
use lb_wire::proto::{ClusterStatsReply, ClusterStatsRequest, Down, Up};
use lb_wire::{STATS_BYTES, VIEW_BYTES};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Concurrent calls of a connection: a session, and queries beside it.
const STREAMS: u32 = 4;
/// Limit on the headers of a call, in bytes.
const HEADERS: u32 = 8 << 10;
/// Time limit from a call to the beginning of its answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A silent connection gets a keep-alive ping after this time, and is closed after as much again.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Serves the connections of `acceptor` with `service`, until dropped.
pub(super) async fn run(acceptor: Acceptor, service: Service) {
    let (accepted, incoming) = mpsc::channel(16);
    let service = SyncServer::new(service)
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
    let (served, ()) = tokio::join!(serving, acceptor.run(accepted));
    if let Err(error) = served {
        tracing::error!(%error, "no longer serving other agents");
    }
}

/// Answers the calls.
pub(super) struct Service {
    /// Admission of callers.
    pub(super) admission: Admission,
    /// Message budgets of the nodes.
    pub(super) budgets: Budgets,
    /// Sources and destinations of the sessions.
    pub(super) sessions: session::Channels,
    /// Counters of all nodes.
    pub(super) cluster_stats: ClusterStats,
}

impl Service {
    /// The admitted caller of `request` and its budget, if that has this `cost`.
    fn caller<T>(&self, request: &Request<T>, cost: u32) -> Result<(Caller, Budget), Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("a call without a connection"))?;
        self.admission.admit(caller).inspect_err(|status| {
            tracing::debug!(who = %caller.subject, reason = status.message(), "agent refused");
        })?;
        let budget = self.budgets.of(&caller.subject.node);
        if !budget.take(cost) {
            return Err(Status::resource_exhausted(
                "this node calls too often: try again later",
            ));
        }
        Ok((caller.clone(), budget))
    }
}

#[tonic::async_trait]
impl Sync for Service {
    type SessionStream = ReceiverStream<Result<Down, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<Up>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (caller, budget) = self.caller(&request, budget::SESSION)?;
        // Two: an agent that does not keep up gets the newest view next, not all of them.
        let (down, stream) = mpsc::channel(2);
        tokio::spawn(session::serve(
            self.sessions.clone(),
            self.admission.clone(),
            caller,
            budget,
            request.into_inner(),
            down,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cluster_stats(
        &self,
        request: Request<ClusterStatsRequest>,
    ) -> Result<Response<ClusterStatsReply>, Status> {
        let (caller, _budget) = self.caller(&request, budget::CLUSTER)?;
        let _call = caller.begins();
        let json = self.cluster_stats.for_others().await;
        Ok(Response::new(ClusterStatsReply { json }))
    }
}
