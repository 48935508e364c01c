//! Messages to and from their protobuf form.

mod certificates;
mod counts;

use crate::message::{Change, EntryPoint, Listener, Service, Task, ToAgent, ToRouter, View};
use crate::proto;
use std::net::IpAddr;

impl From<ToRouter> for proto::ToRouter {
    fn from(message: ToRouter) -> Self {
        use proto::to_router::Kind;
        let kind = match message {
            ToRouter::Hello {
                version,
                hostname,
                stats,
            } => Kind::Hello(proto::AgentHello {
                version,
                hostname,
                stats,
            }),
            ToRouter::Listeners(listeners) => Kind::Listeners(proto::Listeners {
                listeners: listeners.into_iter().map(Into::into).collect(),
            }),
            ToRouter::View(view) => Kind::View(proto::View {
                version: view.version,
                services: view.services.into_iter().map(Into::into).collect(),
            }),
            ToRouter::Change(change) => Kind::Change(proto::Change {
                from: change.from,
                to: change.to,
                services: change.services.into_iter().map(Into::into).collect(),
                removed: change.removed,
            }),
            ToRouter::Leaving(tasks) => Kind::Leaving(proto::Leaving { tasks }),
        };
        Self { kind: Some(kind) }
    }
}

impl proto::ToRouter {
    /// The message; `None` if it is of a kind that this version does not know.
    pub(crate) fn into_message(self) -> Option<ToRouter> {
        use proto::to_router::Kind;
        Some(match self.kind? {
            Kind::Hello(hello) => ToRouter::Hello {
                version: hello.version,
                hostname: hello.hostname,
                stats: hello.stats,
            },
            Kind::Listeners(proto::Listeners { listeners }) => {
                ToRouter::Listeners(listeners.iter().map(listener).collect())
            }
            Kind::View(proto::View { version, services }) => ToRouter::View(View {
                version,
                services: services.into_iter().map(service).collect(),
            }),
            Kind::Change(change) => ToRouter::Change(Change {
                from: change.from,
                to: change.to,
                services: change.services.into_iter().map(service).collect(),
                removed: change.removed,
            }),
            Kind::Leaving(proto::Leaving { tasks }) => ToRouter::Leaving(tasks),
        })
    }
}

impl From<ToAgent> for proto::ToAgent {
    fn from(message: ToAgent) -> Self {
        use proto::to_agent::Kind;
        let kind = match message {
            ToAgent::Hello {
                version,
                workers,
                listeners,
            } => Kind::Hello(proto::RouterHello {
                version,
                workers,
                listeners: listeners.into_iter().map(Into::into).collect(),
            }),
            ToAgent::Applied(version) => Kind::Applied(proto::Applied { version }),
            ToAgent::Resend => Kind::Resend(proto::Resend {}),
            ToAgent::Stats(stats) => Kind::Stats(counts::proto(stats)),
            ToAgent::Certificates(told) => Kind::Certificates(certificates::proto(told)),
        };
        Self { kind: Some(kind) }
    }
}

impl proto::ToAgent {
    /// The message; `None` if it is of a kind that this version does not know.
    pub(crate) fn into_message(self) -> Option<ToAgent> {
        use proto::to_agent::Kind;
        Some(match self.kind? {
            Kind::Hello(hello) => ToAgent::Hello {
                version: hello.version,
                workers: hello.workers,
                listeners: hello.listeners.iter().map(listener).collect(),
            },
            Kind::Applied(proto::Applied { version }) => ToAgent::Applied(version),
            Kind::Resend(proto::Resend {}) => ToAgent::Resend,
            Kind::Stats(stats) => ToAgent::Stats(counts::message(stats)),
            Kind::Certificates(told) => ToAgent::Certificates(certificates::message(told)),
        })
    }
}

impl From<Listener> for proto::Listener {
    fn from(listener: Listener) -> Self {
        let entry_point = match listener.entry_point {
            EntryPoint::Http => proto::EntryPoint::Http,
            EntryPoint::Https => proto::EntryPoint::Https,
            EntryPoint::Unknown => proto::EntryPoint::Unspecified,
        };
        Self {
            entry_point: entry_point.into(),
            worker: listener.worker,
        }
    }
}

fn listener(listener: &proto::Listener) -> Listener {
    let entry_point = match listener.entry_point() {
        proto::EntryPoint::Http => EntryPoint::Http,
        proto::EntryPoint::Https => EntryPoint::Https,
        proto::EntryPoint::Unspecified => EntryPoint::Unknown,
    };
    Listener {
        entry_point,
        worker: listener.worker,
    }
}

impl From<Service> for proto::Service {
    fn from(service: Service) -> Self {
        Self {
            id: service.id,
            name: service.name,
            created_ns: service.created_ns,
            labels: service.labels,
            tasks: service.tasks.into_iter().map(Into::into).collect(),
        }
    }
}

fn service(service: proto::Service) -> Service {
    Service {
        id: service.id,
        name: service.name,
        created_ns: service.created_ns,
        labels: service.labels,
        tasks: service.tasks.into_iter().filter_map(task).collect(),
    }
}

impl From<Task> for proto::Task {
    fn from(task: Task) -> Self {
        let address = match task.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        Self {
            key: task.key,
            id: task.id,
            address,
            node: task.node,
            local: task.local,
            leaving: task.leaving,
        }
    }
}

/// `None` without an address that this version can use.
fn task(task: proto::Task) -> Option<Task> {
    let bytes = task.address.as_slice();
    let ipv4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = ipv4
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()?;
    Some(Task {
        key: task.key,
        id: task.id,
        address,
        node: task.node,
        local: task.local,
        leaving: task.leaving,
    })
}
