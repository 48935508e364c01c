//! One turn: what shall be, what is, and the steps between.

use super::beat::lasts;
use super::datapath::{Datapath, Reached};
use crate::cli::Lease;
use lb_core::config::Config;
use lb_core::desired::Picture;
use lb_core::ids::{Key, TaskId};
use lb_core::kernel::ObserveError;
use lb_core::node::Node;
use lb_core::plan::Gate;
use lb_core::report::Problem;
use lb_core::snapshot::Snapshot;
use lb_core::state::{Hook, State};
use lb_core::unlike::unlike;
use std::collections::BTreeSet;

/// The datapath, and what it is known to hold.
pub(super) struct Turns {
    datapath: Box<dyn Datapath>,
    /// None: look again.
    last: Option<Known>,
    /// Problems that were logged already.
    known: BTreeSet<Problem>,
}

/// What the last turn left behind, all of it as it was wanted.
struct Known {
    have: State,
    wanted: Picture,
}

/// How a turn went.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What can't be served, and steps that the kernel refused.
    pub problems: Vec<Problem>,
    /// Where programs are attached.
    pub hooks: BTreeSet<Hook>,
    /// Whether the kernel holds all that was wanted.
    pub in_sync: bool,
    /// This node's tasks that were wanted to be brought connections.
    pub held: BTreeSet<TaskId>,
}

impl Turns {
    pub(super) fn new(datapath: Box<dyn Datapath>) -> Self {
        Self {
            datapath,
            last: None,
            known: BTreeSet::new(),
        }
    }

    /// Makes the next turn look at the kernel instead of trusting what it did.
    pub(super) fn look_again(&mut self) {
        self.last = None;
    }

    /// What is done every second. Returns whether there is a reason to take a turn.
    pub(super) fn beat(&mut self, lease: Lease) -> Result<bool, ObserveError> {
        let have = self.last.as_ref().map(|last| &last.have);
        let changed = self.datapath.beat(lasts(lease), have)?;
        if changed {
            tracing::warn!("something else changed what is ours in the kernel: putting it right");
            self.look_again();
        }
        Ok(changed)
    }

    /// Logs what is newly wrong, once.
    fn report(&mut self, problems: &[Problem]) {
        let now: BTreeSet<Problem> = problems.iter().cloned().collect();
        for problem in now.difference(&self.known) {
            tracing::warn!(
                object = problem.object,
                sentence = problem.sentence,
                "problem"
            );
        }
        for problem in self.known.difference(&now) {
            tracing::info!(object = problem.object, "problem is over");
        }
        self.known = now;
    }

    /// Brings the kernel to what `snapshot` asks for on `node`.
    pub(super) fn turn(
        &mut self,
        snapshot: &Snapshot,
        node: &Node,
        config: &Config,
    ) -> Result<Outcome, ObserveError> {
        let (have, picture) = match self.last.take() {
            Some(Known { have, wanted }) => {
                let next = wanted.next(snapshot, node, config, &have);
                (have, next)
            }
            None => {
                let have = self.datapath.look()?;
                let picture = Picture::new(snapshot, node, config, &have);
                (have, picture)
            }
        };
        let gate = if snapshot.complete {
            Gate::Open
        } else {
            Gate::AddOnly
        };
        let Reached {
            have,
            hooks,
            problems: refused,
            in_sync,
        } = self.datapath.reach(&picture.want, have, node, gate)?;
        let mut problems = picture.problems();
        problems.extend(refused);
        problems.extend(unlike(snapshot, &node.id, self.datapath.name()));
        self.report(&problems);
        let backends = &picture.want.backends;
        let held = node.tasks.keys();
        let held = held.filter(|task| backends.contains_key(&Key::from(*task)));
        let held = held.cloned().collect();
        if in_sync {
            self.last = Some(Known {
                have,
                wanted: picture,
            });
        }
        Ok(Outcome {
            problems,
            hooks,
            in_sync,
            held,
        })
    }
}
