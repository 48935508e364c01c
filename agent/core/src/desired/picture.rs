//! What is desired, with what it follows from: where only tasks have changed since the last
//! view, the next one follows from that and the services concerned.

use super::ground;
use super::ports::holders;
use super::service::{World, serve, withdraw};
use crate::config::Config;
use crate::ids::{ServiceId, TaskId};
use crate::node::Node;
use crate::report::Problem;
use crate::shared::Map;
use crate::snapshot::{Proto, Snapshot};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};

/// A value, and the values that it was made of.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What the kernel shall hold.
    pub want: State,
    snapshot: Snapshot,
    node: Node,
    config: Config,
    holders: BTreeMap<(u16, Proto), ServiceId>,
    members: Map<ServiceId, BTreeSet<TaskId>>,
    problems: BTreeMap<ServiceId, Vec<Problem>>,
}

impl Picture {
    /// What serves `snapshot` on `node`: [`super::desired`].
    #[must_use]
    pub fn new(snapshot: &Snapshot, node: &Node, config: &Config, have: &State) -> Self {
        let ground = ground(snapshot, node, config);
        let possible = ground.is_some();
        let mut members: BTreeMap<ServiceId, BTreeSet<TaskId>> = BTreeMap::new();
        for (id, task) in &snapshot.tasks {
            let service = task.service.clone();
            members.entry(service).or_default().insert(id.clone());
        }
        let mut picture = Self {
            want: ground.unwrap_or_default(),
            snapshot: snapshot.clone(),
            node: node.clone(),
            config: config.clone(),
            holders: holders(snapshot),
            members: members.into_iter().collect(),
            problems: BTreeMap::new(),
        };
        if possible {
            for (id, _) in &snapshot.services {
                picture.serve(id, have);
            }
        }
        picture
    }

    /// What serves another view. The same as [`Self::new`], provided that `have` is what this
    /// one wanted; faster where little has changed.
    #[must_use]
    pub fn next(self, snapshot: &Snapshot, node: &Node, config: &Config, have: &State) -> Self {
        let Some(services) = self.concerned(snapshot, node, config) else {
            return Self::new(snapshot, node, config, have);
        };
        let mut next = self;
        for id in &services {
            next.withdraw(id);
        }
        for change in snapshot.tasks.changes(&next.snapshot.tasks) {
            if let Some(before) = change.before()
                && let Some(members) = next.members.get_mut(&before.service)
            {
                members.remove(change.key());
            }
            if let Some(now) = change.now() {
                if !next.members.contains_key(&now.service) {
                    next.members.insert(now.service.clone(), BTreeSet::new());
                }
                if let Some(members) = next.members.get_mut(&now.service) {
                    members.insert(change.key().clone());
                }
            }
        }
        next.snapshot = snapshot.clone();
        next.node = node.clone();
        for id in &services {
            next.serve(id, have);
        }
        next
    }

    /// What can't be served.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.values().flatten().cloned().collect()
    }

    /// The services of the tasks that have changed; none if more than tasks has.
    fn concerned(
        &self,
        snapshot: &Snapshot,
        node: &Node,
        config: &Config,
    ) -> Option<BTreeSet<ServiceId>> {
        let others = Node {
            tasks: self.node.tasks.clone(),
            ..node.clone()
        };
        let same = others == self.node
            && *config == self.config
            && snapshot.nodes == self.snapshot.nodes
            && snapshot.services == self.snapshot.services;
        if !same || self.want.settings.is_none() {
            return None;
        }
        let mut services = BTreeSet::new();
        for change in snapshot.tasks.changes(&self.snapshot.tasks) {
            let tasks = change.now().into_iter().chain(change.before());
            services.extend(tasks.map(|task| task.service.clone()));
        }
        // Tasks of this node whose addresses have changed.
        let moved = |a: &Node, b: &Node| -> Vec<TaskId> {
            let differs = a
                .tasks
                .iter()
                .filter(|(id, at)| b.tasks.get(id) != Some(at));
            differs.map(|(id, _)| id.clone()).collect()
        };
        for id in [moved(node, &self.node), moved(&self.node, node)].concat() {
            let task = snapshot.tasks.get(&id);
            services.extend(task.map(|task| task.service.clone()));
        }
        Some(services)
    }

    fn serve(&mut self, id: &ServiceId, have: &State) {
        let Some(service) = self.snapshot.services.get(id) else {
            return;
        };
        let holders = &self.holders;
        let world = World {
            snapshot: &self.snapshot,
            node: &self.node,
            config: &self.config,
            have,
            holder: &|port, proto| holders.get(&(port, proto)),
        };
        let tasks = self.members.get(id).into_iter().flatten();
        let tasks = tasks.filter_map(|id| Some((id, self.snapshot.tasks.get(id)?)));
        let problems = serve(&world, id, service, tasks, &mut self.want);
        if !problems.is_empty() {
            self.problems.insert(id.clone(), problems);
        }
    }

    fn withdraw(&mut self, id: &ServiceId) {
        let Some(service) = self.snapshot.services.get(id) else {
            return;
        };
        let tasks = self.members.get(id).into_iter().flatten();
        withdraw(id, service, tasks, &mut self.want);
        self.problems.remove(id);
    }
}

#[cfg(test)]
mod tests;
