//! The incremental desired state: it keeps the inputs from which it was computed. If only tasks have
//! changed since, or services that leave all others their ports, as by their labels, [`Incremental::update`]
//! computes the services concerned, and no others.

use super::model::RoutedService;
use super::ports::{Asked, PortClaims, by_swarm, port_owners, withdrawn};
use super::room::Room;
use super::routes::{self, Declarations};
use super::service::{Served, ServiceContext, serve};
use super::{Desired, Number, endpoint, host, on_link};
use crate::model::config::Config;
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::node::Node;
use crate::model::snapshot::{Service, Snapshot};
use crate::persistent::PersistentMap;
use crate::report::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The desired state, and the inputs from which it was computed.
#[derive(Clone, Debug)]
pub struct Incremental {
    /// The desired state.
    pub desired: Desired,
    snapshot: Snapshot,
    node: Node,
    config: Config,
    declarations: Declarations,
    asked: BTreeMap<ServiceId, Asked>,
    port_owners: BTreeMap<Number, ServiceId>,
    by_swarm: BTreeSet<Number>,
    /// Ports that are withdrawn from services. As long as these ask for the same ports, there are no others.
    withdrawn: BTreeMap<Key, Vec<Number>>,
    /// Services with ports that are withdrawn, or that they can't have any more, and that keep connections.
    keep: BTreeSet<Key>,
    room: Room,
    members: PersistentMap<ServiceId, BTreeSet<TaskId>>,
    problems: BTreeMap<ServiceId, Vec<Problem>>,
}

impl Incremental {
    /// Computes the desired state from the whole snapshot, as [`super::desired`] does.
    #[must_use]
    pub fn full(snapshot: &Snapshot, node: &Node, config: &Config) -> Self {
        let none = Declarations::default();
        let (declarations, _) = none.update(snapshot, &Snapshot::default(), config);
        Self::whole(snapshot, node, config, declarations)
    }

    /// The whole snapshot, whose labels declare these HTTP routes.
    fn whole(
        snapshot: &Snapshot,
        node: &Node,
        config: &Config,
        declarations: Declarations,
    ) -> Self {
        let host = host::host(snapshot, node, config).map(Arc::new);
        let mut members: BTreeMap<ServiceId, BTreeSet<TaskId>> = BTreeMap::new();
        for (id, task) in &snapshot.tasks {
            let service = task.service.clone();
            members.entry(service).or_default().insert(id.clone());
        }
        let services = snapshot.services.iter();
        let asked = services.map(|(id, service)| {
            let asked = asked(id, service, &declarations, config);
            (id.clone(), asked)
        });
        let asked = asked.collect();
        let port_owners = port_owners(snapshot, node, &asked);
        let mut full = Self {
            desired: Desired::default(),
            snapshot: snapshot.clone(),
            node: node.clone(),
            config: config.clone(),
            withdrawn: withdrawn(snapshot, node, &asked, &port_owners, config),
            port_owners,
            by_swarm: by_swarm(snapshot),
            keep: BTreeSet::new(),
            room: Room::default(),
            declarations,
            asked,
            members: members.into_iter().collect(),
            problems: BTreeMap::new(),
        };
        if host.is_some() {
            full.desired.host = host;
            full.desired.endpoints = endpoint::known(node);
            full.desired.on_link = on_link::known(node);
            for (id, _) in &snapshot.services {
                full.serve(id);
            }
            full.share_out();
        }
        full
    }

    /// Computes the desired state for another view: equal to [`Self::full`], provided that this one's is
    /// what `node` serves; faster if little has changed.
    #[must_use]
    pub fn update(mut self, snapshot: &Snapshot, node: &Node, config: &Config) -> Self {
        if *config != self.config {
            return Self::full(snapshot, node, config);
        }
        let declarations = std::mem::take(&mut self.declarations);
        let (declarations, declared) = declarations.update(snapshot, &self.snapshot, config);
        let asked = self.asked_now(snapshot, &declarations, &declared);
        let tasks = self.services_of_tasks(snapshot, node);
        let (Some(asked), Some(mut services)) = (asked, tasks) else {
            return Self::whole(snapshot, node, config, declarations);
        };
        let mut next = self;
        next.declarations = declarations;
        for (id, asked) in asked {
            services.insert(id.clone());
            match asked {
                Some(asked) => drop(next.asked.insert(id, asked)),
                None => drop(next.asked.remove(&id)),
            }
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
        next.desired.endpoints = endpoint::known(node);
        next.desired.on_link = on_link::known(node);
        for id in &services {
            next.serve(id);
        }
        next.share_out();
        next
    }

    /// What can't be served.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.problems.values().flatten().cloned().collect();
        problems.extend(endpoint::shared(&self.node));
        problems.extend(on_link::left_out(&self.node));
        if self.desired.host.is_some() {
            problems.extend(self.declarations.conflicts().cloned());
        }
        problems
    }

    /// What the labels of services declare.
    #[must_use]
    pub fn declarations(&self) -> &Declarations {
        &self.declarations
    }

    /// What the services ask for that have changed, or whose labels declare something else (`declared`); no [`Asked`] where there
    /// is no such service any more. `None` if one of them asks for other ports.
    fn asked_now(
        &self,
        snapshot: &Snapshot,
        declarations: &Declarations,
        declared: &BTreeSet<ServiceId>,
    ) -> Option<BTreeMap<ServiceId, Option<Asked>>> {
        let changes = snapshot.services.changes(&self.snapshot.services);
        let changed = changes.map(|change| change.key()).chain(declared);
        let mut all = BTreeMap::new();
        for id in changed {
            let service = snapshot.services.get(id);
            let now = service.map(|service| asked(id, service, declarations, &self.config));
            let before = self.snapshot.services.get(id).zip(self.asked.get(id));
            if PortClaims::of(before) != PortClaims::of(service.zip(now.as_ref())) {
                return None;
            }
            all.insert(id.clone(), now);
        }
        Some(all)
    }

    /// The services of the tasks that have changed; none if the node or other nodes have.
    fn services_of_tasks(&self, snapshot: &Snapshot, node: &Node) -> Option<BTreeSet<ServiceId>> {
        let others = Node {
            tasks: self.node.tasks.clone(),
            listening: self.node.listening.clone(),
            serving: self.node.serving.clone(),
            container_networks: self.node.container_networks.clone(),
            ..node.clone()
        };
        let same = others == self.node && snapshot.nodes == self.snapshot.nodes;
        if !same || self.desired.host.is_none() {
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
        services.extend(self.heard(node)?);
        Some(services)
    }

    /// The services that have ports on which other processes of the host listen now, or none does
    /// any more; none if such a port is withdrawn.
    fn heard(&self, node: &Node) -> Option<BTreeSet<ServiceId>> {
        let (now, before) = (&node.listening, &self.node.listening);
        let ports = now.keys().chain(before.keys());
        let mut services = BTreeSet::new();
        for port in ports.filter(|port| now.get(port) != before.get(port)) {
            match self.port_owners.get(port) {
                Some(owner) => {
                    services.insert(owner.clone());
                }
                None if self.has_had(port) => return None,
                None => {}
            }
        }
        Some(services)
    }

    /// Is it a port that was withdrawn from a service?
    fn has_had(&self, port: &Number) -> bool {
        self.withdrawn.values().flatten().any(|had| had == port)
    }

    /// The ports that are withdrawn, or that their services can't have any more, and kept for the connections that they have, by
    /// service, with the port in the containers.
    #[must_use]
    pub fn withdrawn(&self) -> BTreeMap<Key, BTreeMap<Number, u16>> {
        let kept = self.keep.iter().filter_map(|key| {
            let ports = self.desired.services.get(key)?.withdrawn.iter();
            let ports = ports.map(|port| ((port.published, port.proto), port.target));
            Some((*key, ports.collect()))
        });
        kept.collect()
    }

    /// Does it matter whether processes of the host listen on `port`?
    #[must_use]
    pub fn publishes(&self, port: &Number) -> bool {
        self.port_owners.contains_key(port) || self.has_had(port)
    }

    /// Is the task one that may hold flows?
    #[must_use]
    pub fn holds(&self, task: &TaskId) -> bool {
        let service = self.snapshot.tasks.get(task);
        let service = service.and_then(|task| self.desired.services.get(&(&task.service).into()));
        service.is_some_and(|service| service.backends.contains_key(&task.into()))
    }

    /// Serves those services anew for whose tables there is room now, or none any more.
    fn share_out(&mut self) {
        for id in self.room.share_out(&self.snapshot.services) {
            self.serve(&id);
        }
    }

    /// Puts what serves a service in the place of what served it before; nothing if it is gone.
    fn serve(&mut self, id: &ServiceId) {
        let known = self.snapshot.services.get(id).zip(self.asked.get(id));
        let Some((service, asked)) = known else {
            self.desired.routed.remove(id);
            self.desired.services.remove(&Key::from(id));
            self.keep.remove(&Key::from(id));
            self.problems.remove(id);
            self.room.need(id, 0);
            return;
        };
        let context = ServiceContext {
            snapshot: &self.snapshot,
            node: &self.node,
            port_owners: &self.port_owners,
            by_swarm: &self.by_swarm,
            withdrawn: &self.withdrawn,
            room: &self.room,
        };
        let tasks = || {
            let tasks = self.members.get(id).into_iter().flatten();
            tasks.filter_map(|id| Some((id, self.snapshot.tasks.get(id)?)))
        };
        let Served {
            service: served,
            problems,
            places,
        } = serve(&context, id, service, asked, tasks());
        let declaration = self.declarations.get(id);
        let declaration = declaration.filter(|it| it.concerns_router() && !service.removed);
        let routed = declaration.map(|declaration| RoutedService {
            name: service.name.clone(),
            created_ns: service.created,
            labels: Arc::clone(declaration.labels()),
            // Where it declares no route, no request goes to its tasks.
            tasks: match served.as_ref().filter(|_| asked.routed) {
                Some(served) => routes::tasks(&self.snapshot, served, tasks()),
                None => Vec::new(),
            },
        });
        match routed {
            Some(routed) => self.desired.routed.insert(id.clone(), Arc::new(routed)),
            None => self.desired.routed.remove(id),
        };
        self.room.need(id, places);
        let key = Key::from(id);
        let served_now = served.as_ref();
        if served_now.is_some_and(|served| !served.withdrawn.is_empty()) {
            self.keep.insert(key);
        } else {
            self.keep.remove(&key);
        }
        match served {
            Some(served) => self.desired.services.insert(key, Arc::new(served)),
            None => self.desired.services.remove(&key),
        };
        if problems.is_empty() {
            self.problems.remove(id);
        } else {
            self.problems.insert(id.clone(), problems);
        }
    }
}

/// What a service asks for, where these are the declarations of all services.
fn asked(id: &ServiceId, service: &Service, declarations: &Declarations, config: &Config) -> Asked {
    let declaration = declarations.get(id).map(|declaration| &**declaration);
    Asked::of(service, declaration, config)
}

#[cfg(test)]
mod tests;
