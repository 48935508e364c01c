//! The two ends of a comparison: what the plain code does with a frame at a hook, and
//! what the program there has to return for that.

use agent::kernel::bpf::Action;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_core::backend::ebpf::HookKind::{self, BridgeTc, PortTc, UplinkEgress, UplinkTc, UplinkXdp};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::path_mtu::learn;
use lb_datapath::pmtu::answer;
use lb_datapath::port::port;
use lb_datapath::tunnel::seal;
use lb_datapath::uplink::uplink;
use lb_datapath::verdict::{Outcome, code};

use crate::frames::patched;
use crate::lab::{mac, node};
use crate::states::token_keys;

/// A frame that is sent, with what a hook sees beside its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) frame: &'a [u8],
    pub(crate) routed: bool,
    /// Does the way to whoever sent it begin at the device that it came in on?
    pub(crate) leads: bool,
    pub(crate) segment_size: u32,
    pub(crate) segments: u32,
    /// The device that it came in on.
    pub(crate) link: u32,
    /// The device on which the host received what it passes on, or 0.
    pub(crate) received_on: u32,
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
        leads: sent.leads,
        segment_size: sent.segment_size,
        segments: sent.segments,
        // A frame in a test run has a socket of its own, which nobody knows.
        socket: 0,
        redirected: false,
        forwarded: sent.received_on != 0,
        link: sent.link,
        tagged: false,
    };
    let verdict = match kind {
        UplinkXdp | UplinkTc => uplink(&mut frame, memory),
        BridgeTc => bridge(&mut frame, memory),
        PortTc => port(&mut frame, memory),
        UplinkEgress => egress(&mut frame, memory),
        other => panic!("{} sees no frames", other.as_str()),
    };
    // What comes after the decision under tc.
    if let (true, Outcome::TooBig(own)) = (DELIVERS, verdict.outcome())
        && !answer(&mut frame, memory, Be32::new(own))
    {
        return (Verdict::Drop(Reason::TooBig), frame.bytes);
    }
    if DELIVERS && verdict.code() == code::TUNNEL_ERROR {
        learn(&frame, memory);
    }
    (verdict, frame.bytes)
}

/// Does the kernel run a program on so short a frame? It wants more than an Ethernet
/// header, and since 6.18 a whole IPv4 header of what calls itself IPv4 under tc.
pub(crate) fn taken(kind: HookKind, frame: &[u8]) -> bool {
    frame.len() >= if kind == UplinkXdp { 15 } else { 34 }
}

/// The action that a program returns for a verdict.
pub(crate) fn action(kind: HookKind, verdict: Verdict) -> Action {
    match (kind, verdict.outcome()) {
        (_, Outcome::Pass)
        | (UplinkXdp, Outcome::Bridge | Outcome::Container(_) | Outcome::TooBig(_)) => Action::Pass,
        (_, Outcome::Drop(_)) => Action::Drop,
        (UplinkXdp, Outcome::Uplink) => Action::Transmit,
        (_, Outcome::Uplink | Outcome::Bridge | Outcome::Container(_) | Outcome::TooBig(_)) => {
            Action::Redirect
        }
    }
}

/// A tunnel packet with the token that node `from` gives to what it says.
pub(crate) fn sealed(frame: Vec<u8>, from: u8) -> Vec<u8> {
    let mut frame = Frame::<true>::new(frame);
    seal(&mut frame, &token_keys(from));
    frame.bytes
}

/// The frame that node `from` would send through the tunnel with the outer headers of `outer`, which is in the
/// tunnel too, and the packet of `frame` inside.
pub(crate) fn around(outer: &[u8], frame: &[u8], from: u8) -> Vec<u8> {
    let total = u16::try_from(frame.len() - 14 + 56).unwrap();
    let lengths = [(16, total), (38, total - 20)].map(|(at, length)| (at, length.to_be_bytes()));
    let patches = lengths
        .each_ref()
        .map(|(at, bytes)| (*at, bytes.as_slice()));
    sealed(
        [&patched(&outer[..70], &patches), &frame[14..]].concat(),
        from,
    )
}

/// The frame as the next host on the uplinks' network receives it from tc.
pub(crate) fn wired(mut frame: Vec<u8>, to: u8) -> Vec<u8> {
    frame[..6].copy_from_slice(&mac(node(to)));
    frame
}
