//! A service that only some networks may call, and what attackers get to its task in spite of that.

use std::net::{Ipv4Addr, SocketAddrV4};

use harness::acceptance::served;
use harness::guards::Service;
use harness::service::{ServiceSpec, Task};
use harness::swarm::Swarm;

use crate::packet::{at, udp};
use crate::tunnel::{Kind, PORT, forged};
use crate::witness::{asks, client_socket, received};

/// Networks that may call.
const ALLOWED: &str = "192.0.2.0/24, 10.77.0.192/26";
/// One of those, at the client's device.
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);
/// Nobody, whom no answer ever reaches.
const INVENTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// A port that the task listens on and that is not published.
const UNPUBLISHED: u16 = 90;

/// The service, with its only task on node2.
pub(crate) struct RestrictedService<'a> {
    swarm: &'a Swarm,
    published: u16,
    task: Task,
    _service: Service<'a>,
}

impl<'a> RestrictedService<'a> {
    pub(crate) fn publish(swarm: &'a Swarm, published: u16) -> Self {
        let spec = ServiceSpec::named(&format!("fenced-{published}"))
            .on_node("node2")
            .publish(&format!("{published}:80/udp"))
            .label("swarmlb.allow", ALLOWED)
            .argument("--port=80")
            .argument(&format!("--port={UNPUBLISHED}"));
        let (service, mut tasks) = served(swarm, &spec, 1);
        Self {
            swarm,
            published,
            task: tasks.remove(0),
            _service: service,
        }
    }

    /// Has somebody send forged tunnel packets to the task's node: for its published port and for one
    /// of its own. None reaches the task, and what a guest says does.
    pub(crate) fn holds_against(&self, sends: impl FnOnce(SocketAddrV4, &[Vec<u8>])) {
        let node = self.swarm.node(&self.task.node).unwrap();
        let from = at(INVENTED, 4000);
        let inner = |port, says: &str| udp(from, at(node.addr, port), says.as_bytes());
        let mut packets = forged(
            Kind::Task,
            &self.task.id,
            &inner(self.published, "forged: published"),
        );
        packets.extend(forged(
            Kind::Own,
            &self.task.id,
            &inner(UNPUBLISHED, "forged: unpublished"),
        ));
        sends(at(node.addr, PORT), &packets);

        let _address = self.swarm.client.netns().address("eth0", GUEST).unwrap();
        let guest = client_socket(self.swarm, GUEST, 0);
        asks(&guest, (node.addr, self.published), "an honest guest").unwrap();
        let received = received(self.swarm, &self.task, "an honest guest");
        let forged: Vec<_> = received
            .iter()
            .filter(|datagram| datagram.says.starts_with("forged"))
            .collect();
        assert!(forged.is_empty(), "the task received {forged:#?}");
    }
}
