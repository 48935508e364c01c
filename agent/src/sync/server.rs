//! The managers' side: who may come in.

use super::context::Context;
use super::stats::ClusterStats;
use super::wire::proto::sync_server::{Sync, SyncServer};
use super::wire::proto::{ClusterStatsReply, ClusterStatsRequest, Down, Up};
use super::{MAX_MESSAGE_BYTES, session, tls};
use crate::certs::Subject;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Serves `listener` until dropped.
pub(super) async fn run(context: Context, listener: TcpListener) {
    let (accepted, incoming) = mpsc::channel(16);
    let service = SyncServer::new(Service(context.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let serving = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming(ReceiverStream::new(incoming));
    let (served, ()) = tokio::join!(serving, tls::accept(context, listener, accepted));
    if let Err(error) = served {
        tracing::error!(%error, "no longer serving other agents");
    }
}

/// Whether `subject` is welcome at this moment.
pub(super) fn admit(context: &Context, subject: &Subject) -> Result<(), Status> {
    // Open connections outlive the keeper of the view by a little.
    if context.views.has_changed().is_err() {
        return Err(Status::unavailable("this agent is stopping"));
    }
    let identity = context.standing.borrow().identity.clone();
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
    fn caller<T>(&self, request: &Request<T>) -> Result<Subject, Status> {
        let subject = request
            .peer_certs()
            .and_then(|chain| Subject::of(&chain))
            .ok_or_else(|| {
                Status::permission_denied("the certificate is not that of a Swarm node")
            })?;
        admit(&self.0, &subject).inspect_err(|status| {
            tracing::warn!(who = %subject, reason = status.message(), "agent refused");
        })?;
        Ok(subject)
    }
}

#[tonic::async_trait]
impl Sync for Service {
    type SessionStream = ReceiverStream<Result<Down, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<Up>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let subject = self.caller(&request)?;
        // Two: whoever does not keep up gets the newest view next, not all of them.
        let (down, stream) = mpsc::channel(2);
        tokio::spawn(session::serve(
            self.0.clone(),
            subject,
            request.into_inner(),
            down,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cluster_stats(
        &self,
        request: Request<ClusterStatsRequest>,
    ) -> Result<Response<ClusterStatsReply>, Status> {
        self.caller(&request)?;
        let stats = ClusterStats::new(self.0.clone()).ask_agents().await;
        let json = serde_json::to_vec(&stats)
            .map_err(|error| Status::internal(error.to_string()))?
            .into();
        Ok(Response::new(ClusterStatsReply { json }))
    }
}
