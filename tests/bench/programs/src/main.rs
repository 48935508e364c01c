//! Wrappers around a program that is measured.
//!
//! `BPF_PROG_TEST_RUN` gives every repetition the frame that the one before it left. A wrapper
//! makes it again what it was, gives it the next tuple, and goes on in the program that is
//! measured: one repetition is one packet. What the wrapper itself costs is measured with a
//! program behind it that does nothing.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "the macros generate undocumented items")]
#![expect(
    unsafe_code,
    reason = "frames and the plan are reached by pointer, and a tail call is no call"
)]

mod plan;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{TC_ACT_OK, TC_ACT_SHOT, xdp_action};
use aya_ebpf::helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_get_buff_len};
use aya_ebpf::macros::{classifier, map, xdp};
use aya_ebpf::maps::{Array, ProgramArray};
use aya_ebpf::programs::{TcContext, XdpContext};
use plan::{HEAD, Plan};

/// The frame and what varies in it; the loader writes it.
#[unsafe(no_mangle)]
static PLAN: Plan = Plan {
    head: [0; HEAD / 8],
    restored: 0,
    length: 0,
    mask: 0,
    factor: 0,
    step: 0,
    host_at: 0,
    port_at: 0,
    zero: 0,
};

/// One entry: the program that is measured.
#[map]
static MEASURED: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// One entry: the number of the last tuple.
#[map]
static LAST: Array<u32> = Array::with_max_entries(1, 0);

/// One field of the plan. Volatile: the compiler must not know what the loader will write.
macro_rules! plan {
    ($($field:tt)+) => {
        // SAFETY: a static of this object, which nobody writes once it is loaded.
        unsafe { (&raw const PLAN.$($field)+).read_volatile() }
    };
}

#[xdp]
pub fn wrapper_xdp(context: XdpContext) -> u32 {
    // SAFETY: the context is the kernel's own. It is asked, because the compiler would subtract
    // the frame's ends in 32 bits, which the verifier does not allow of pointers.
    let length = unsafe { bpf_xdp_get_buff_len(context.ctx) };
    let grown = (length as u32).wrapping_sub(plan!(length)) as i32;
    // Also by nothing, so that it costs the same in every measurement.
    // SAFETY: the context is the kernel's own; pointers into the frame are taken afterwards.
    if unsafe { bpf_xdp_adjust_head(context.ctx, grown) } != 0 {
        return xdp_action::XDP_ABORTED;
    }
    if restore(context.data(), context.data_end()) {
        go_on(&context);
    }
    xdp_action::XDP_ABORTED
}

#[classifier]
pub fn wrapper_tc(context: TcContext) -> i32 {
    if restore(context.data(), context.data_end()) {
        go_on(&context);
    }
    TC_ACT_SHOT
}

/// The least that a program can do with a frame that it sends on.
#[xdp]
pub fn bare_xdp(_: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// The least that a program can do with a frame that it does not want.
#[classifier]
pub fn bare_tc(_: TcContext) -> i32 {
    TC_ACT_OK
}

#[inline(always)]
fn go_on<C: EbpfContext>(context: &C) {
    // SAFETY: nothing here needs to be dropped. It returns only where no program was set.
    unsafe { MEASURED.tail_call(context, 0) };
}

/// Writes the frame's head, with the next tuple in it.
#[inline(always)]
fn restore(start: usize, end: usize) -> bool {
    macro_rules! word {
        ($($index:literal)+) => {
            $(if plan!(restored) > $index && !put(start, end, $index * 8, plan!(head[$index])) {
                return false;
            })+
        };
    }
    word!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    let Some(last) = LAST.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: an entry of this map; nobody else runs this program meanwhile.
    let index = unsafe { &mut *last };
    *index = index.wrapping_mul(plan!(factor)).wrapping_add(plan!(step));
    let (host, port) = Plan::tuple(*index & plan!(mask));
    put(start, end, plan!(host_at) as usize, host)
        && put(start, end, plan!(port_at) as usize, port.to_be_bytes())
}

/// Writes a value into the frame; false if it does not fit.
#[inline(always)]
fn put<T>(start: usize, end: usize, offset: usize, value: T) -> bool {
    let place = start + offset;
    if place + size_of::<T>() > end {
        return false;
    }
    // SAFETY: it was checked that it lies within the frame.
    unsafe { (place as *mut T).write_unaligned(value) };
    true
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses programs that could get here.
    loop {}
}
