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

mod license;
mod maps;
mod tc;
mod xdp;

use aya_ebpf::bindings::{TC_ACT_OK, TC_ACT_SHOT, xdp_action};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::uplink::uplink;
use maps::Maps;
use tc::TcFrame;
use xdp::XdpFrame;

/// First look at what arrives on an uplink; sends on what leaves the node again.
#[xdp]
pub fn lb_uplink_xdp(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(context);
    match uplink(&mut frame, &Maps) {
        Verdict::Uplink => frame.transmit(),
        // Only tc can hand a packet to the bridge, and the datapath knows it.
        Verdict::Pass | Verdict::Bridge | Verdict::Container(_) => xdp_action::XDP_PASS,
        Verdict::Drop(reason) => {
            maps::count_drop(reason);
            xdp_action::XDP_DROP
        }
    }
}

/// Second look at what arrives on an uplink, after packets were merged: delivers
/// to tasks of this node, and does XDP's work where XDP could not.
#[classifier]
pub fn lb_uplink_tc(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    let verdict = uplink(&mut frame, &Maps);
    act(&mut frame, verdict)
}

/// What tasks send out of `docker_gwbridge`.
#[classifier]
pub fn lb_bridge_tc(context: TcContext) -> i32 {
    let mut frame = TcFrame::new(context);
    let verdict = bridge(&mut frame, &Maps);
    act(&mut frame, verdict)
}

#[inline(always)]
fn act(frame: &mut TcFrame, verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Pass => TC_ACT_OK,
        Verdict::Uplink => frame.redirect(maps::settings().map_or(0, |settings| settings.uplink)),
        Verdict::Bridge => frame.redirect(maps::settings().map_or(0, |settings| settings.bridge)),
        Verdict::Container(link) => frame.redirect(link),
        Verdict::Drop(reason) => {
            maps::count_drop(reason);
            TC_ACT_SHOT
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses programs that could get here.
    loop {}
}
