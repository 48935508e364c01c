//! The list of cases.

use std::rc::Rc;

use anyhow::Result;
use lb_core::backend::ebpf::HookKind::{BridgeTc, PortTc, UplinkEgress, UplinkTc, UplinkXdp};

use super::Objects;
use super::cases::{Case, Maker};
use super::node::{ELSEWHERE, HERE, NOBODYS, Node};
use super::sent::{Sent, answer, arp, container, data, from_client, host, tunnelled};
use super::wrapped::Level;
use crate::effort::Effort;
use crate::lab::Lab;

/// Return values of XDP and tc programs (include/uapi/linux/bpf.h, pkt_cls.h).
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const TC_OK: u32 = 0;
const TC_REDIRECT: u32 = 7;
/// `TC_ACT_UNSPEC`: on to the next program.
const TC_NEXT: u32 = u32::MAX;

/// Every case, the bare program of each level first.
pub(crate) fn all(lab: &Lab, objects: &Objects, effort: Effort) -> Result<Vec<Case>> {
    let of = |node: &Rc<Node>| Maker {
        object: &objects.wrappers,
        node: Rc::clone(node),
    };
    // Node 1 with 2^16 flows each way: all that can share one node's tables.
    let ingress = Node::new(lab, 1)?;
    ingress.remember(ELSEWHERE, 2, 0, 1 << 16)?;
    ingress.remember(HERE, 1, 0, 1 << 16)?;
    let full = Node::with_room(lab, 1, 18)?;
    full.remember(ELSEWHERE, 2, 0, 1 << 18)?;
    let over = Node::with_room(lab, 1, 20)?;
    over.remember(ELSEWHERE, 2, 0, 1 << 20)?;
    let fresh = Node::new(lab, 1)?;
    let flooded = Node::new(lab, 1)?;
    // Node 2, where the tasks are that clients reach through node 1.
    let home = Node::new(lab, 2)?;
    home.remember(ELSEWHERE, 2, 1, 1 << 16)?;

    let to = |port| data(1, 1, port);
    let syn = |port| from_client(1, 1, port, "S").frame();
    let (into, back) = tunnelled(&ingress, &home)?;
    let mut cases = vec![
        of(&ingress).bare("bare XDP_TX", Level::Xdp, XDP_TX)?,
        of(&ingress).case("not ours: ARP", UplinkXdp, XDP_PASS, arp())?,
        of(&ingress).case(
            "not ours: TCP, port not published",
            UplinkXdp,
            XDP_PASS,
            Sent::new(to(NOBODYS), 16),
        )?,
        of(&ingress)
            .case(
                "known flow, encapsulated: 1 flow",
                UplinkXdp,
                XDP_TX,
                Sent::new(to(ELSEWHERE), 0),
            )?
            .compared(0),
        of(&ingress)
            .case(
                "known flow, encapsulated: 2^16 flows",
                UplinkXdp,
                XDP_TX,
                Sent::new(to(ELSEWHERE), 16),
            )?
            .compared(16),
        of(&full)
            .case(
                "known flow, encapsulated: 2^18 flows",
                UplinkXdp,
                None,
                Sent::new(to(ELSEWHERE), 18),
            )?
            .compared(18),
        of(&over)
            .case(
                "known flow, encapsulated: 2^20 flows",
                UplinkXdp,
                None,
                Sent::new(to(ELSEWHERE), 20),
            )?
            .compared(20),
        of(&ingress).case(
            "known flow, task here: 2^16 flows",
            UplinkXdp,
            XDP_PASS,
            Sent::new(to(HERE), 16),
        )?,
        of(&home).case(
            "known flow, out of the tunnel to the task: 2^12 flows",
            UplinkXdp,
            XDP_PASS,
            into,
        )?,
        of(&ingress).case(
            "known flow, out of the tunnel to the client: 2^12 flows",
            UplinkXdp,
            XDP_TX,
            back,
        )?,
        of(&fresh)
            .case(
                "new flow, room in the table: 2^16 SYNs",
                UplinkXdp,
                XDP_TX,
                Sent::new(syn(ELSEWHERE), 16).counted(),
            )?
            .each(1 << 16, |node| node.forget_opening(ELSEWHERE, 1 << 16)),
        of(&flooded).case(
            "new flow, SYN flood: 2^20 tuples",
            UplinkXdp,
            XDP_TX,
            Sent::new(syn(ELSEWHERE), 20),
        )?,
        of(&ingress).bare("bare TC_ACT_OK", Level::Tc, TC_OK)?,
        of(&ingress).case(
            "uplink, not ours: TCP, port not published",
            UplinkTc,
            TC_NEXT,
            Sent::new(to(NOBODYS), 16),
        )?,
        of(&ingress).case(
            "uplink, known flow, task here: 1 flow",
            UplinkTc,
            TC_REDIRECT,
            Sent::new(to(HERE), 0),
        )?,
        of(&ingress).case(
            "uplink, known flow, task here: 2^16 flows",
            UplinkTc,
            TC_REDIRECT,
            Sent::new(to(HERE), 16),
        )?,
        of(&home).case(
            "uplink, known flow of another node's client: 2^16 flows",
            UplinkTc,
            TC_REDIRECT,
            Sent::new(data(2, 1, ELSEWHERE), 16),
        )?,
        of(&ingress).case(
            "bridge, reply to a client of this node: 1 flow",
            BridgeTc,
            TC_REDIRECT,
            Sent::answers(answer(11), 0),
        )?,
        of(&ingress).case(
            "bridge, not ours: a container to elsewhere",
            BridgeTc,
            TC_NEXT,
            Sent::answers(container(), 16),
        )?,
        of(&ingress).case(
            "port of a bridge, reply to a client of this node: 1 flow",
            PortTc,
            TC_REDIRECT,
            Sent::answers(answer(11), 0),
        )?,
        of(&ingress).case(
            "egress, not ours: the host to elsewhere",
            UplinkEgress,
            TC_NEXT,
            Sent::answers(host(), 16),
        )?,
    ];
    let floors = effort.floor_bits.iter().map(|bits| {
        // A full table may have lost a flow: then the figure says how many were found.
        let code = (*bits < 18).then_some(XDP_TX);
        of(&ingress).floor(&objects.floor, *bits, code)
    });
    let floors = floors.collect::<Result<Vec<_>>>()?;
    cases.splice(1..1, floors);
    Ok(cases)
}
