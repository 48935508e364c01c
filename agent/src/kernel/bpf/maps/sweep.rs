//! Forgetting what belongs to tasks that are gone.

use super::{Maps, Table};
use crate::kernel::bpf::Failure;
use lb_abi::flow::Tuple;
use lb_abi::service::Backend;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Which tasks are there. Each is asked for once: there may be far more tasks than flows.
struct Alive<'a> {
    backends: &'a Table<u64, Backend>,
    known: RefCell<BTreeMap<u64, bool>>,
    failure: RefCell<Option<Failure>>,
}

impl Alive<'_> {
    fn has(&self, task: u64) -> bool {
        let mut known = self.known.borrow_mut();
        *known
            .entry(task)
            .or_insert_with(|| match self.backends.get(&task) {
                Ok(backend) => backend.is_some(),
                Err(failure) => {
                    // Nothing is forgotten by mistake.
                    *self.failure.borrow_mut() = Some(failure);
                    true
                }
            })
    }
}

impl Maps {
    /// Forgets flows whose tasks are gone, and tasks' counters that nothing points to.
    pub(crate) fn sweep(&mut self) -> Result<(), Failure> {
        let alive = Alive {
            backends: &self.backends,
            known: RefCell::default(),
            failure: RefCell::default(),
        };
        self.flows.retain(|flow| alive.has(flow.task))?;
        for replies in [&mut self.replies, &mut self.answering] {
            replies.retain(|reply| alive.has(reply.task))?;
        }
        self.kept.retain(|kept| alive.has(kept.task))?;
        self.calls.retain(|called| alive.has(called.task))?;
        for (tuple, caller) in self.callers.entries()? {
            let own = Tuple {
                source: caller.address,
                source_port: caller.port,
                ..tuple
            };
            if self.flows.get(&own)?.is_none() {
                self.callers.remove(&tuple)?;
            }
        }
        // There are as many as tasks, and a step that succeeds leaves none behind.
        if self.orphans {
            for key in self.counters.keys()? {
                if !alive.has(key) {
                    self.counters.remove(key)?;
                }
            }
        }
        match alive.failure.into_inner() {
            Some(failure) => Err(failure),
            None => {
                self.orphans = false;
                Ok(())
            }
        }
    }
}
