//! The two ends of a comparison: what the plain code does with a frame at a hook, and
//! what the program there has to return for that.

use agent::kernel::bpf::Action;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_core::state::HookKind::{self, BridgeTc, PortTc, UplinkEgress, UplinkTc, UplinkXdp};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::oversize::answer;
use lb_datapath::port::calls_node;
use lb_datapath::uplink::uplink;

use crate::lab::{mac, node};

/// A frame that is sent, with what a hook sees beside its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) frame: &'a [u8],
    pub(crate) routed: bool,
    pub(crate) segment_size: u32,
    pub(crate) segments: u32,
    /// The device that it came in on.
    pub(crate) link: u32,
}

/// The plain code's answer.
pub(crate) fn model<const DELIVERS: bool>(
    memory: &Memory,
    kind: HookKind,
    sent: Sent<'_>,
) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<DELIVERS> {
        bytes: sent.frame.to_vec(),
        // tc needs no route: the kernel finds one while it redirects.
        routed: DELIVERS || sent.routed,
        segment_size: sent.segment_size,
        segments: sent.segments,
        // A frame in a trial has a socket of its own, which nobody knows.
        socket: 0,
        link: sent.link,
        tagged: false,
    };
    let verdict = match kind {
        UplinkXdp | UplinkTc => uplink(&mut frame, memory),
        BridgeTc => bridge(&mut frame, memory),
        PortTc if calls_node(&frame, memory) => Verdict::Bridge,
        PortTc => Verdict::Pass,
        UplinkEgress => egress(&mut frame, memory),
        other => panic!("{} sees no frames", other.as_str()),
    };
    // What comes after the decision under tc.
    if let (true, Verdict::TooBig(own)) = (DELIVERS, verdict)
        && !answer(&mut frame, memory, Be32::new(own))
    {
        return (Verdict::Drop(Reason::TooBig), frame.bytes);
    }
    (verdict, frame.bytes)
}

/// Does the kernel run a program on so short a frame? It wants more than an Ethernet
/// header, and since 6.18 a whole IPv4 header of what calls itself IPv4 under tc.
pub(crate) fn taken(kind: HookKind, frame: &[u8]) -> bool {
    frame.len() >= if kind == UplinkXdp { 15 } else { 34 }
}

/// What a program returns for a verdict.
pub(crate) fn action(kind: HookKind, verdict: Verdict) -> Action {
    match (kind, verdict) {
        (_, Verdict::Pass)
        | (UplinkXdp, Verdict::Bridge | Verdict::Container(_) | Verdict::TooBig(_)) => Action::Pass,
        (_, Verdict::Drop(_)) => Action::Drop,
        (UplinkXdp, Verdict::Uplink) => Action::Transmit,
        (_, Verdict::Uplink | Verdict::Bridge | Verdict::Container(_) | Verdict::TooBig(_)) => {
            Action::Redirect
        }
    }
}

/// The frame as the next host on the uplinks' network receives it from tc.
pub(crate) fn wired(mut frame: Vec<u8>, to: u8) -> Vec<u8> {
    frame[..6].copy_from_slice(&mac(node(to)));
    frame
}
