//! The floor: the least that a program does for a packet of a known flow whose task is on another node. What
//! swarmlb's own program costs is given as a multiple of it.
//!
//! Look-ups in arrays: settings, port to frontend's index, frontend, backend, counters of this CPU. One look-up in a
//! hash: the flow, in a table of the size and with the key and value of `LB_FLOWS`. Then 48 bytes of IPv4, UDP and Geneve
//! with one option, which has the task's key. There is no lease, no check of the
//! destination, no route, no MTU, no token. A packet whose flow is not found is passed.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "the macros generate undocumented items")]
#![expect(
    unsafe_code,
    reason = "frames and map values are reached through pointers"
)]

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_head;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray};
use aya_ebpf::programs::XdpContext;
use lb_abi::counters::Counters;
use lb_abi::flow::{Flow, Tuple};
use lb_abi::service::{Backend, Frontend};
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, UDP, limits};

/// One entry: address, tunnel port and MAC address of the node.
#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
/// By number of a published port: the index of its frontend.
#[map]
static PORTS: Array<u32> = Array::with_max_entries(1 << 16, 0);
/// Frontends.
#[map]
static FRONTENDS: Array<Frontend> = Array::with_max_entries(limits::FRONTENDS, 0);
/// Flows; [`Flow::task`] is the index of the backend. The loader makes it larger for more flows.
#[map]
static FLOWS: LruHashMap<Key, Flow> = LruHashMap::with_max_entries(limits::FLOWS, 0);
/// Backends.
#[map]
static BACKENDS: Array<Backend> = Array::with_max_entries(limits::BACKENDS, 0);
/// Traffic, by index of the backend.
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(limits::BACKENDS, 0);

/// The bytes of a [`Tuple`], by words: for its last bytes LLVM would call `memset`, which programs do not have.
type Key = [u32; 4];

const _: () = assert!(size_of::<Key>() == size_of::<Tuple>());

/// Bytes that the tunnel adds: IPv4, UDP, Geneve, and an option of 12 bytes.
const OVERHEAD: u16 = 48;

/// IPv4 header without options.
#[derive(Clone, Copy)]
#[repr(C)]
struct Ipv4 {
    version_length: u8,
    tos: u8,
    total: Be16,
    id: Be16,
    fragment: Be16,
    ttl: u8,
    proto: u8,
    checksum: Be16,
    source: Be32,
    destination: Be32,
}

/// A client's frame, as far as it is read. Frames begin at even addresses.
#[derive(Clone, Copy)]
#[repr(C, align(2))]
struct Arrived {
    /// Destination, source.
    macs: [[u8; 6]; 2],
    kind: Be16,
    ip: Ipv4,
    source_port: Be16,
    destination_port: Be16,
}

/// Headers before the client's packet in the tunnel.
#[derive(Clone, Copy)]
#[repr(C, align(2))]
struct Sent {
    macs: [[u8; 6]; 2],
    kind: Be16,
    ip: Ipv4,
    source_port: Be16,
    destination_port: Be16,
    udp_length: Be16,
    udp_checksum: Be16,
    version_options: u8,
    control: u8,
    protocol: Be16,
    network: Be32,
    class: Be16,
    option: u8,
    length: u8,
    key: [Be32; 2],
}

const _: () = assert!(size_of::<Sent>() == 14 + OVERHEAD as usize);

#[xdp]
pub fn floor_xdp(context: XdpContext) -> u32 {
    match tunnel(&context) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn tunnel(context: &XdpContext) -> Option<()> {
    // SAFETY: `at` checked that it lies within the frame.
    let arrived = unsafe { at::<Arrived>(context)?.read() };
    let settings = SETTINGS.get(0)?;
    let port = PORTS.get(u32::from(arrived.destination_port.get()))?;
    let frontend = FRONTENDS.get(*port)?;
    let [from, to] = [arrived.source_port, arrived.destination_port].map(Be16::to_bytes);
    let key: Key = [
        u32::from_ne_bytes(arrived.ip.source.to_bytes()),
        u32::from_ne_bytes(arrived.ip.destination.to_bytes()),
        u32::from_ne_bytes([from[0], from[1], to[0], to[1]]),
        u32::from(arrived.ip.proto).to_le(),
    ];
    let flow = FLOWS.get_ptr(key)?;
    // SAFETY: the kernel keeps the element's memory until the program ends.
    let index = unsafe { (*flow).task } as u32;
    let backend = BACKENDS.get(index)?;
    if backend.service != frontend.service {
        return None;
    }
    let counters = COUNTERS.get_ptr_mut(index)?;
    let total = arrived.ip.total.get();
    // SAFETY: this CPU's own copy, in an array that stays.
    unsafe {
        (*counters).packets_in += 1;
        (*counters).bytes_in += u64::from(total);
    }
    // SAFETY: the context is the kernel's own; pointers into the frame are taken afterwards.
    if unsafe { bpf_xdp_adjust_head(context.ctx, -i32::from(OVERHEAD)) } != 0 {
        return None;
    }
    let sent = header(&arrived, settings, backend.address, index);
    // SAFETY: as above.
    unsafe { at::<Sent>(context)?.write(sent) };
    Some(())
}

/// To the next hop that the frame came from.
#[inline(always)]
fn header(arrived: &Arrived, settings: &Settings, node: Be32, key: u32) -> Sent {
    let total = arrived.ip.total.get() + OVERHEAD;
    let mut ip = Ipv4 {
        version_length: 0x45,
        tos: arrived.ip.tos,
        total: Be16::new(total),
        id: Be16::new(0),
        fragment: Be16::new(0x4000),
        ttl: 64,
        proto: UDP,
        checksum: Be16::new(0),
        source: settings.node,
        destination: node,
    };
    ip.checksum = Be16::new(checksum(&ip));
    let spread = arrived.source_port.get() ^ arrived.ip.source.get() as u16;
    Sent {
        macs: [arrived.macs[1], settings.mac],
        kind: arrived.kind,
        ip,
        source_port: Be16::new(0xc000 | spread),
        destination_port: settings.tunnel_port,
        udp_length: Be16::new(total - 20),
        udp_checksum: Be16::new(0),
        version_options: 3,
        control: 0,
        protocol: arrived.kind,
        network: Be32::new(0),
        class: Be16::new(0xff5b),
        option: 0x81,
        length: 2,
        key: [Be32::new(0), Be32::new(key)],
    }
}

/// The Internet checksum (RFC 1071) of a header whose own checksum is zero.
#[inline(always)]
fn checksum(ip: &Ipv4) -> u16 {
    let halves = |address: Be32| (address.get() >> 16) + (address.get() & 0xffff);
    let words = 0x4500 + u32::from(ip.tos) + u32::from(ip.total.get()) + 0x4000 + 0x4011;
    let sum = words + halves(ip.source) + halves(ip.destination);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// The beginning of the frame, if it is as long as a `T`.
#[inline(always)]
fn at<T>(context: &XdpContext) -> Option<*mut T> {
    let start = context.data();
    if start + size_of::<T>() > context.data_end() {
        return None;
    }
    Some(start as *mut T)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses programs that could get here.
    loop {}
}
