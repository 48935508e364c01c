//! The frames, with what varies in them.

use agent::kernel::bpf::Arrival;
use anyhow::{Context as _, Result};
use lb_core::state::HookKind::{self, BridgeTc, UplinkTc, UplinkXdp};

use super::client;
use super::node::{ELSEWHERE, Node, TARGET};
use super::plan::Plan;
use super::wrapped::{Order, Traffic};
use crate::frames::{Draft, at, tcp};
use crate::lab::{GATEWAY, mac, node};
use crate::states::address_of;

/// A frame with what varies in it.
pub(super) struct Sent {
    pub(super) traffic: Traffic,
}

impl Sent {
    /// From 2^`bits` clients, directly behind the Ethernet header.
    pub(super) fn new(frame: Vec<u8>, bits: u32) -> Self {
        Self {
            traffic: Traffic {
                frame,
                changed: 54,
                address_at: 26,
                port_at: 34,
                bits,
                order: Order::Mixed,
            },
        }
    }

    /// To them.
    pub(super) fn answers(frame: Vec<u8>, bits: u32) -> Self {
        let mut sent = Self::new(frame, bits);
        sent.traffic.address_at = 30;
        sent.traffic.port_at = 36;
        sent
    }

    /// These packets inside the tunnel.
    fn inside(mut self) -> Self {
        self.traffic.changed = 70 + 40;
        self.traffic.address_at += 56;
        self.traffic.port_at += 56;
        self
    }

    pub(super) fn counted(mut self) -> Self {
        self.traffic.order = Order::Counted;
        self
    }
}

/// A client's segment with some data, on its way into node `n`, for a port of node `ingress`.
pub(super) fn data(n: u8, ingress: u8, port: u16) -> Vec<u8> {
    from_client(n, ingress, port, "PA").frame()
}

pub(super) fn from_client(n: u8, ingress: u8, port: u16, flags: &'static str) -> Draft {
    let (host, number) = Plan::tuple(0);
    tcp(at(client(host), number), at(node(ingress), port), flags)
        .payload(b"0123456789")
        .with_mac(mac(node(n)))
}

/// An answer of task `n` of this node.
pub(super) fn answer(n: u8) -> Vec<u8> {
    let (host, number) = Plan::tuple(0);
    tcp(at(address_of(n), TARGET), at(client(host), number), "PA")
        .payload(b"0123456789")
        .frame()
}

pub(super) fn container() -> Vec<u8> {
    tcp(at(address_of(99), 40_000), at(client(0), 443), "PA")
        .payload(b"0123456789")
        .frame()
}

pub(super) fn host() -> Vec<u8> {
    tcp(at(node(1), 40_000), at(client(0), 443), "PA")
        .payload(b"0123456789")
        .with_mac(mac(GATEWAY))
        .frame()
}

/// Somebody asks for a neighbour.
pub(super) fn arp() -> Sent {
    let mut frame = vec![0xff; 6];
    frame.extend(mac(GATEWAY));
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac(GATEWAY));
    frame.extend(GATEWAY.octets());
    frame.extend([0; 6]);
    frame.extend(node(1).octets());
    frame.resize(64, 0);
    Sent::new(frame, 0)
}

/// A client's packet in the tunnel as it comes to `home`, and the answer as it comes back to
/// `ingress`: made by the programs themselves.
pub(super) fn tunnelled(ingress: &Node, home: &Node) -> Result<(Sent, Sent)> {
    let request = data(1, 1, ELSEWHERE);
    let into = through(ingress, UplinkXdp, &request, 2)?;
    // So that the task's node knows what the answer becomes.
    through(home, UplinkTc, &data(2, 1, ELSEWHERE), 2)?;
    let back = through(home, BridgeTc, &answer(21), 1)?;
    Ok((
        // One client's ports: its address is part of what the token is over.
        Sent::new(into, 12).inside(),
        Sent::answers(back, 12).inside(),
    ))
}

/// The frame that a program makes of this one, on its way into node `next`.
fn through(by: &Node, kind: HookKind, frame: &[u8], next: u8) -> Result<Vec<u8>> {
    by.enter();
    let mut frame = by
        .kernel
        .test_run(kind, &Arrival::new(by.link(kind), frame))?
        .frame;
    frame
        .get_mut(..6)
        .context("an Ethernet header")?
        .copy_from_slice(&mac(node(next)));
    Ok(frame)
}
