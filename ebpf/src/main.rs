//! The programs, one per hook: wrap the context, ask the datapath, do what it says.
#![no_std]
#![no_main]
// `core::sync::atomic` leaves out what BPF machines before v3 could not do.
#![allow(
    internal_features,
    reason = "the intrinsics are the only way to BPF's atomic instructions"
)]
#![feature(core_intrinsics, adt_const_params)]
#![allow(missing_docs, reason = "the macros generate undocumented items")]

mod cgroup;
mod fib;
mod license;
mod maps;
mod tc;
mod xdp;

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{cgroup_sock_addr, classifier, xdp};
use aya_ebpf::programs::{SockAddrContext, TcContext, XdpContext};
use cgroup::Named;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::sock_rev_nat::task_at;
use lb_datapath::bridge;
use lb_datapath::deliver::{Delivery, deliver};
use lb_datapath::egress::egress;
use lb_datapath::path_mtu::learn;
use lb_datapath::pmtu::answer;
use lb_datapath::port::admit;
use lb_datapath::socket_lb::{asked, connect, mapped, names_task, ours, send, unserved};
use lb_datapath::uplink;
use lb_datapath::verdict::code;
use lb_datapath::{Packet as _, Verdict};
use maps::Maps;
use tc::TcFrame;
use xdp::XdpFrame;

/// First look at what arrives on an uplink; sends on what leaves the node again.
#[xdp]
pub fn lb_uplink_xdp(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(context);
    let Some(delivery) = maps::delivery() else {
        return xdp_action::XDP_PASS;
    };
    let verdict = uplink::decide(&mut frame, &Maps, delivery);
    match verdict.code() {
        code::UPLINK => frame.transmit(),
        code::DROP => {
            maps::count_drop(verdict.operand());
            xdp_action::XDP_DROP
        }
        // Only tc can hand a packet to the bridge, and the datapath knows it.
        _ => xdp_action::XDP_PASS,
    }
}

/// Second look at what arrives on an uplink, after packets were merged: delivers
/// to tasks of this node, and does XDP's work where XDP could not. Where the uplink is a bridge, it is at the bridge's
/// ports, too.
#[classifier]
pub fn lb_uplink_tc(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    let verdict = uplink_apart(&mut frame);
    if Verdict::from_bits(verdict).code() == code::TUNNEL_ERROR {
        learn_apart(&frame);
        return TC_ACT_UNSPEC;
    }
    let verdict = deliver_apart(&mut frame, verdict);
    act(&mut frame, verdict, Side::Clients)
}

/// Packets that tasks send out of `docker_gwbridge`.
#[classifier]
pub fn lb_bridge_tc(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    on_bridge(&mut frame)
}

/// Packets that a container sends, at its port of a bridge.
#[classifier]
pub fn lb_port_tc(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    let verdict = Verdict::from_bits(admit_apart(&mut frame));
    match verdict.code() {
        code::BRIDGE => on_bridge(&mut frame),
        code::DROP => {
            maps::count_drop(verdict.operand());
            TC_ACT_SHOT
        }
        _ => TC_ACT_UNSPEC,
    }
}

/// Packets that the host itself sends out of an uplink.
#[classifier]
pub fn lb_uplink_egress(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    let verdict = egress_apart(&mut frame);
    act(&mut frame, verdict, Side::Clients)
}

/// Return value of cgroup hooks: the call goes on.
const GO_ON: i32 = 1;
/// The call fails: `EPERM`.
const REFUSED: i32 = 0;

/// A process connects a socket, TCP or UDP.
#[cgroup_sock_addr(connect4)]
pub fn lb_connect4(context: SockAddrContext) -> i32 {
    let mut named = Named::new(context);
    let source = named.bound();
    let address = named.address4();
    let Some(socket) = named.calling(source) else {
        return GO_ON;
    };
    if let Some((address, port)) = connect(&Maps, &socket, address, named.port()) {
        named.rename4(mapped(address), port);
    } else if names_task(&Maps, address) && ours(&Maps, &socket) {
        // It is not for the network, where there is no such task.
        return REFUSED;
    }
    GO_ON
}

/// A process connects an IPv6 socket, which speaks IPv4 too: `::1`, `::ffff:127.0.0.1`.
#[cgroup_sock_addr(connect6)]
pub fn lb_connect6(context: SockAddrContext) -> i32 {
    let mut named = Named::new(context);
    let source = named.bound();
    let address = named.address6();
    let Some(socket) = named.calling(source) else {
        return GO_ON;
    };
    if let Some((address, port)) = connect(&Maps, &socket, address, named.port()) {
        named.rename6(mapped(address), port);
    } else if names_task(&Maps, address) && ours(&Maps, &socket) {
        // As for IPv4 sockets.
        return REFUSED;
    }
    GO_ON
}

/// A process sends a datagram to an address that it names. IPv6 sockets come here
/// too with `::ffff:127.0.0.1`.
#[cgroup_sock_addr(sendmsg4)]
pub fn lb_sendmsg4(context: SockAddrContext) -> i32 {
    let mut named = Named::new(context);
    let source = named.source();
    let address = named.address4();
    let Some(socket) = named.calling(source) else {
        return GO_ON;
    };
    if let Some((address, port)) = send(&Maps, &socket, address, named.port()) {
        named.rename4(mapped(address), port);
    } else if names_task(&Maps, address) && ours(&Maps, &socket) {
        // It is not for the network, where there is no such task.
        return REFUSED;
    }
    GO_ON
}

/// A process sends a datagram to an IPv6 address that it names.
#[cgroup_sock_addr(sendmsg6)]
pub fn lb_sendmsg6(context: SockAddrContext) -> i32 {
    let named = Named::new(context);
    let address = named.address6();
    let Some(socket) = named.calling(Be32::ZERO) else {
        return GO_ON;
    };
    // It is not for the network, where there is no such task, and where its key is nobody's business.
    if task_at(address).is_some() && ours(&Maps, &socket) {
        return REFUSED;
    }
    // Nobody would answer, and nothing would say so: callers try 127.0.0.1 then.
    if unserved(&Maps, &socket, address, named.port()) {
        return named.refuse();
    }
    GO_ON
}

/// A process learns where a datagram came from.
#[cgroup_sock_addr(recvmsg4)]
pub fn lb_recvmsg4(context: SockAddrContext) -> i32 {
    tell4(Named::new(context))
}

/// A process learns where a datagram to its IPv6 socket came from.
#[cgroup_sock_addr(recvmsg6)]
pub fn lb_recvmsg6(context: SockAddrContext) -> i32 {
    tell6(Named::new(context))
}

/// A process asks what a socket is connected to.
#[cgroup_sock_addr(getpeername4)]
pub fn lb_getpeername4(context: SockAddrContext) -> i32 {
    tell4(Named::new(context))
}

/// A process asks what an IPv6 socket is connected to.
#[cgroup_sock_addr(getpeername6)]
pub fn lb_getpeername6(context: SockAddrContext) -> i32 {
    tell6(Named::new(context))
}

#[inline(always)]
fn tell4(mut named: Named) -> i32 {
    if let Some((address, port)) = asked(&Maps, named.cookie(), named.address4(), named.port()) {
        named.rename4(address, port);
    }
    GO_ON
}

#[inline(always)]
fn tell6(mut named: Named) -> i32 {
    if let Some((address, port)) = asked(&Maps, named.cookie(), named.address6(), named.port()) {
        named.rename6(address, port);
    }
    GO_ON
}

/// Deciding, delivering and acting don't share a program's 512 bytes of stack.
#[inline(never)]
fn uplink_apart(frame: &mut TcFrame) -> u64 {
    with_delivery(|delivery| uplink::decide(frame, &Maps, delivery))
}

/// What `decides` makes of the packet that this CPU is at.
#[inline(always)]
fn with_delivery(decides: impl FnOnce(&mut Delivery) -> Verdict) -> u64 {
    match maps::delivery() {
        Some(delivery) => decides(delivery).bits(),
        None => Verdict::Pass.bits(),
    }
}

/// A packet of a container that has come to its bridge: decides, delivers and acts.
#[inline(always)]
fn on_bridge(frame: &mut TcFrame) -> i32 {
    let verdict = bridge_apart(frame);
    let verdict = deliver_apart(frame, verdict);
    act(frame, verdict, Side::Containers)
}

/// Delivers what was decided to be for a task of this node; else the verdict stays what it is.
#[inline(always)]
fn deliver_apart(frame: &mut TcFrame, verdict: u64) -> u64 {
    if Verdict::from_bits(verdict).code() == code::DELIVER {
        delivered(frame)
    } else {
        verdict
    }
}

#[inline(never)]
fn delivered(frame: &mut TcFrame) -> u64 {
    with_delivery(|delivery| deliver(frame, &Maps, delivery))
}

/// Learns from an ICMP error about a tunnel packet, with a stack of its own, too.
#[inline(never)]
fn learn_apart(frame: &TcFrame) {
    learn(frame, &Maps);
}

/// Decides about what the host sends, with a stack of its own, too.
#[inline(never)]
fn egress_apart(frame: &mut TcFrame) -> u64 {
    egress(frame, &Maps).bits()
}

/// Decides whether a container's packet is the bridge's, with a stack of its own, too.
#[inline(never)]
fn admit_apart(frame: &mut TcFrame) -> u64 {
    admit(frame, &Maps).bits()
}

/// Decides about a packet of a container, with a stack of its own, too.
#[inline(never)]
fn bridge_apart(frame: &mut TcFrame) -> u64 {
    with_delivery(|delivery| bridge::decide(frame, &Maps, delivery))
}

/// Kind of sender whose packets a hook sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Clients,
    Containers,
}

#[inline(always)]
fn act(frame: &mut TcFrame, verdict: u64, side: Side) -> i32 {
    let verdict = Verdict::from_bits(verdict);
    let operand = verdict.operand();
    let settings = maps::settings();
    match verdict.code() {
        code::UPLINK => frame.leave(settings.map_or(0, |settings| settings.uplink)),
        code::TOO_BIG if !answer(frame, &Maps, Be32::new(operand)) => {
            maps::count_drop(Reason::TooBig as u32);
            TC_ACT_SHOT
        }
        code::TOO_BIG if side == Side::Containers => frame.redirect(frame.link()),
        code::TOO_BIG => frame.leave(settings.map_or(0, |settings| settings.uplink)),
        code::BRIDGE => frame.redirect(settings.map_or(0, |settings| settings.bridge)),
        code::CONTAINER => frame.redirect(operand),
        code::DROP => {
            maps::count_drop(operand);
            TC_ACT_SHOT
        }
        // Programs and filters of others that come after this one see it, too.
        _ => TC_ACT_UNSPEC,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses programs that could get here.
    loop {}
}
