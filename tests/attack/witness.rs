//! Datagrams that a task received, reported by itself from inside of its container: nothing on the way there can
//! hide it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::PATIENCE;
use harness::containers::inside;
use harness::service::Task;
use harness::swarm::Swarm;
use harness::traffic::assert_reserved;
use harness::wait;
use harness::who::{Datagram, Who};

use crate::TASKS;

/// A wait that ends with nothing: longer than any packet takes.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);

/// The datagrams that came last to a task, once one of them says `honest`: what was sent before it
/// by the same way is there by then, or never.
pub(crate) fn received(swarm: &Swarm, task: &Task, honest: &str) -> Vec<Datagram> {
    let (_netns, client) = inside(swarm, task).unwrap();
    let what = format!("the datagram `{honest}` at its task");
    wait::until(&what, TASKS, || {
        let reply = client.get((Ipv4Addr::LOCALHOST, 80), "/datagrams", PATIENCE)?;
        let all: Vec<Datagram> = serde_json::from_str(&reply.body)
            .with_context(|| format!("`{}` is no list of datagrams", reply.body))?;
        let arrived = all.iter().any(|datagram| datagram.says == honest);
        Ok(arrived.then_some(all))
    })
    .unwrap()
}

/// A socket of the client's, or of an address that its device has for the while. The kernel chooses
/// port 0.
pub(crate) fn client_socket(swarm: &Swarm, address: Ipv4Addr, port: u16) -> UdpSocket {
    assert_reserved(port);
    let bind = || UdpSocket::bind((address, port));
    let socket = swarm.client.netns().run(bind).unwrap().unwrap();
    socket
        .set_read_timeout(Some(harness::slow::longer(SILENCE)))
        .unwrap();
    socket
}

/// Asks until there is an answer: who gave it. Whatever else the socket gets fails the test.
pub(crate) fn asks(socket: &UdpSocket, peer: impl Into<SocketAddr>, says: &str) -> Result<Who> {
    let peer = peer.into();
    wait::until("an answer to a datagram", PATIENCE, || {
        socket.send_to(says.as_bytes(), peer)?;
        let mut answer = [0; 2048];
        // Nothing, so far.
        let Ok((length, _)) = socket.recv_from(&mut answer) else {
            return Ok(None);
        };
        let answer = answer.get(..length).unwrap_or_default();
        let who = serde_json::from_slice(answer);
        who.map(Some).with_context(|| {
            let text = String::from_utf8_lossy(answer);
            format!("`{text}` is no answer of a task")
        })
    })
}
