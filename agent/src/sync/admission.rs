//! Admission of other agents' calls: only nodes of this Swarm, only at a manager that knows the Swarm.

use super::acceptor::Caller;
use super::view_store::PublishedView;
use crate::certs::{CertificateState, Identity, Subject};
use crate::watch::info::Info;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;
use tonic::Status;

/// Facts that decide about admission.
#[derive(Clone)]
pub(super) struct Admission {
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// The view, with the Swarm's nodes.
    pub(super) views: watch::Receiver<Arc<PublishedView>>,
    /// This node's certificate.
    pub(super) certificate: watch::Receiver<CertificateState>,
}

impl Admission {
    /// Admits `caller`.
    ///
    /// # Errors
    /// The reason for the refusal, as a status for the caller.
    pub(super) fn admit(&self, caller: &Caller) -> Result<(), Status> {
        let subject = &caller.subject;
        // Open connections outlive the view store by a little.
        if self.views.has_changed().is_err() {
            return Err(Status::unavailable("this agent is stopping"));
        }
        let own = self
            .identity()
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
        let view = self.views.borrow().clone();
        if !self.info.borrow().manager {
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

    /// Is `subject` a node of this Swarm? `None` while this node has no certificate.
    pub(super) fn is_member(&self, subject: &Subject) -> Option<bool> {
        let own = self.identity()?;
        let view = self.views.borrow();
        let listed = view.snapshot.nodes.contains_key(&subject.node);
        Some(subject.cluster == own.subject().cluster && listed)
    }

    /// This node's identity.
    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        self.certificate.borrow().identity.clone()
    }
}
