//! Ports on which processes of this host listen: theirs on this node, whoever asks for them.
//!
//! A published port is taken before the host's own sockets see a packet, and a process on the node
//! that calls `localhost` would meet a task in their place. So such a port is left to them, on
//! whichever address they listen; other nodes answer it. The engine, too, listens on the ports that
//! Docker publishes: those sockets stand for the service, and are no reason.

use crate::model::node::Listener;

/// Does `listener` keep a service from having its port on this node? `by_docker`: Docker
/// publishes the port for Swarm, so its engine has a reason to listen; `open`: the service
/// has the port here already.
pub(super) fn bars(listener: &Listener, by_docker: bool, open: bool) -> bool {
    // An engine that has just been told to publish a port no longer still listens. And what
    // the kernel chose for a process is no reason to take a port away from who has it.
    let stays = open && (listener.engine || listener.passing);
    !(stays || (listener.engine && by_docker))
}

/// Why the port is not served on this node, and what to do.
pub(super) fn why(listener: &Listener) -> String {
    let address = listener.address;
    if listener.engine {
        format!(
            "on this node a container has it that Docker publishes on {address} (`docker ps`); \
             stop that, or choose another port"
        )
    } else {
        format!(
            "on this node a process of the host itself listens on it, at {address} (`ss -lntup`); \
             stop that, or choose another port"
        )
    }
}
