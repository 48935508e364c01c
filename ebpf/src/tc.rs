//! A packet as tc sees it: possibly several merged into one, its checksum possibly left to the hardware.
#![expect(unsafe_code, reason = "some fields and helpers have no safe wrapper")]

use crate::fib::{AF_INET, Fib, FibResult};
use crate::maps::is_to_be_shown;
use crate::xdp::bytes;
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{
    __sk_buff, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO,
    BPF_F_INGRESS, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, bpf_adj_room_mode, bpf_redir_neigh,
};
use aya_ebpf::helpers::generated::{
    bpf_get_socket_cookie, bpf_redirect_neigh, bpf_skb_change_tail,
};
use aya_ebpf::programs::TcContext;
use core::mem::offset_of;
use lb_abi::{Be16, Be32};
use lb_datapath::Packet;
use lb_datapath::headers::{Ethernet, IPV4};
use lb_datapath::packet::{Change, ETHERNET};
use lb_datapath::pmtu::ROOM;
use lb_datapath::tunnel::OVERHEAD;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `EtherType` for local experiments (IEEE 802, clause 9.2.4), of which no standard protocol is.
const EXPERIMENTAL: Be16 = Be16::new(0x88b5);
/// What `tc_index` of a packet says that a program of swarmlb sends out of an uplink, to the program that sees it leave:
/// it saves that one looking for the packet's flow. Nothing else hangs on it, as others can set that field.
const REDIRECTED: u32 = 0x5357;

/// Headers begin far below this offset; with it, what the verifier lets a packet's pointer be is not exceeded
/// (`MAX_PACKET_OFF` of the kernel's kernel/bpf/verifier.c).
const MOST_OFFSET: usize = 0x3fff;

/// A packet under tc.
///
/// The first word of its control block, which is the program's while that runs, has the index of the device that it
/// came in on, or of the bridge that it has entered there. Beside the context it would take a place on the stack, of
/// which decisions leave nothing; the context alone is passed in a register.
pub(crate) struct TcFrame {
    context: TcContext,
}

impl TcFrame {
    #[inline(always)]
    pub(crate) fn new(context: TcContext) -> Self {
        // SAFETY: reading the context's fields is what it is for.
        let link = unsafe { (*context.skb.skb).ifindex };
        let mut frame = Self { context };
        frame.set_link(link);
        frame
    }

    #[inline(always)]
    fn set_link(&mut self, link: u32) {
        if let Some(word) = self.context.cb_mut().first_mut() {
            *word = link;
        }
    }

    /// Out of device `index`, to the packet's destination; the kernel finds the neighbour.
    #[inline(always)]
    pub(crate) fn redirect(&mut self, index: u32) -> i32 {
        // SAFETY: without parameters the helper looks the destination up by itself.
        (unsafe { bpf_redirect_neigh(index, core::ptr::null_mut(), 0, 0) }) as i32
    }

    /// Shows the bridge who is behind port `port`, by a copy of this IPv4 packet, which has another type: no
    /// protocol's, so that no rule is about it and nobody takes it. A bridge that gets none of a station's frames
    /// forgets where that is, and sends what is for it to all ports.
    #[inline(always)]
    fn show(&mut self, port: u32) {
        let at = offset_of!(Ethernet, kind);
        let (shown, own) = (EXPERIMENTAL, IPV4);
        if self.store(at, &shown) {
            // Without memory for it the next period's is shown.
            let _ = self.context.clone_redirect(port, u64::from(BPF_F_INGRESS));
            let _ = self.store(at, &own);
        }
    }

    /// To the packet's destination, out of the device that the host's routes name; out of
    /// device `otherwise` where they don't name one.
    #[inline(always)]
    pub(crate) fn leave(&mut self, otherwise: u32) -> i32 {
        // SAFETY: the kernel's own context, which takes writes of this field.
        unsafe { (&raw mut (*self.context.skb.skb).tc_index).write_volatile(REDIRECTED) };
        let Some(ends) = self.load::<[Be32; 2]>(ETHERNET + 12) else {
            return self.redirect(otherwise);
        };
        match leave(self.context.skb.skb, self.link(), &ends) {
            0 => self.redirect(otherwise),
            action => action,
        }
    }
}

/// Redirects a packet between `ends`, source and destination, which came in on `link`; 0 where
/// the routes don't say where to. A function of its own: programs have 512 bytes of stack.
#[inline(never)]
fn leave(context: *mut __sk_buff, link: u32, [source, destination]: &[Be32; 2]) -> i32 {
    let mut fib = Fib::new(link, *source, *destination);
    // Without a neighbour the kernel finds one while it redirects.
    if fib.ask(context.cast()) == FibResult::NoRoute {
        return 0;
    }
    // SAFETY: plain numbers, for which zero is valid.
    let mut next_hop: bpf_redir_neigh = unsafe { core::mem::zeroed() };
    next_hop.nh_family = u32::from(AF_INET);
    next_hop.__bindgen_anon_1.ipv4_nh = fib.next_hop();
    let size = size_of::<bpf_redir_neigh>() as i32;
    // SAFETY: the kernel reads `size` bytes.
    (unsafe { bpf_redirect_neigh(fib.link(), &raw mut next_hop, size, 0) }) as i32
}

impl Packet for TcFrame {
    const DELIVERS: bool = true;

    #[inline(always)]
    fn length(&self) -> usize {
        self.context.len() as usize
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        // Of an offset that lay in a map the kernel's verifier knows no bound.
        let offset = offset & MOST_OFFSET;
        // Headers lie in the packet's first part, nearly always: a look costs less than a call.
        // The verifier learns nothing from the comparison that is left of this for one byte.
        let start = self.context.data() + offset;
        if size_of::<T>() > 1 && start + size_of::<T>() <= self.context.data_end() {
            // SAFETY: it was checked that it lies there.
            return Some(unsafe { bytes::read(start as *const T) });
        }
        self.context.load::<T>(offset).ok()
    }

    #[inline(always)]
    fn store<T: IntoBytes + Immutable>(&mut self, offset: usize, value: &T) -> bool {
        self.context.store(offset, value, 0).is_ok()
    }

    #[inline(always)]
    fn grow(&mut self, keep_segments: bool) -> bool {
        let encapsulate = u64::from(BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
        let keep = if keep_segments {
            u64::from(BPF_F_ADJ_ROOM_FIXED_GSO)
        } else {
            0
        };
        self.context
            .adjust_room(
                OVERHEAD as i32,
                bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
                encapsulate | keep,
            )
            .is_ok()
    }

    #[inline(always)]
    fn shrink(&mut self) -> bool {
        self.context
            .adjust_room(
                -(OVERHEAD as i32),
                bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
                u64::from(BPF_F_ADJ_ROOM_FIXED_GSO),
            )
            .is_ok()
    }

    #[inline(always)]
    fn quote(&mut self, keep: usize) -> bool {
        // SAFETY: the context is the kernel's own; pointers into the packet are not kept.
        let cut = unsafe { bpf_skb_change_tail(self.context.skb.skb, keep as u32, 0) };
        let room = bpf_adj_room_mode::BPF_ADJ_ROOM_MAC;
        cut == 0 && self.context.adjust_room(ROOM as i32, room, 0).is_ok()
    }

    #[inline(always)]
    fn patch_header(&mut self, at: usize, from: [u8; 4], to: [u8; 4]) -> bool {
        let from = u64::from(u32::from_ne_bytes(from));
        let to = u64::from(u32::from_ne_bytes(to));
        self.context.l3_csum_replace(at, from, to, 4).is_ok()
    }

    #[inline(always)]
    fn patch_transport(&mut self, at: usize, change: Change) -> bool {
        let size = if change.wide { 4 } else { 2 };
        let pseudo = if change.pseudo {
            u64::from(BPF_F_PSEUDO_HDR)
        } else {
            0
        };
        let udp = if change.udp {
            u64::from(BPF_F_MARK_MANGLED_0)
        } else {
            0
        };
        let number = |bytes: [u8; 4]| {
            if change.wide {
                u64::from(u32::from_ne_bytes(bytes))
            } else {
                u64::from(u16::from_ne_bytes([bytes[0], bytes[1]]))
            }
        };
        self.context
            .l4_csum_replace(
                at,
                number(change.from),
                number(change.to),
                size | pseudo | udp,
            )
            .is_ok()
    }

    #[inline(always)]
    fn route(&mut self, _source: Be32, _destination: Be32) -> bool {
        true // the kernel resolves while it redirects
    }

    #[inline(always)]
    fn leads(&mut self, source: Be32, destination: Be32) -> bool {
        let mut fib = Fib::new(self.link(), source, destination);
        fib.ask(self.context.as_ptr()) != FibResult::NoRoute && fib.link() == self.link()
    }

    #[inline(always)]
    fn segment_size(&self) -> u32 {
        // SAFETY: reading the context's fields is what it is for.
        unsafe { (*self.context.skb.skb).gso_size }
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        // SAFETY: as above. Zero means that it was never merged.
        let segments = unsafe { (*self.context.skb.skb).gso_segs };
        if segments == 0 { 1 } else { segments }
    }

    #[inline(always)]
    fn socket(&self) -> u64 {
        // SAFETY: the context is the kernel's own.
        unsafe { bpf_get_socket_cookie(self.context.as_ptr()) }
    }

    #[inline(always)]
    fn redirected(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.context.skb.skb).tc_index == REDIRECTED }
    }

    #[inline(always)]
    fn forwarded(&self) -> bool {
        // SAFETY: as above. The kernel's `skb_iif`: the device on which it was last received, 0 for what was made here.
        unsafe { (*self.context.skb.skb).ingress_ifindex != 0 }
    }

    #[inline(always)]
    fn tagged(&self) -> bool {
        // SAFETY: as above. The kernel takes tags out of the bytes before tc sees them.
        unsafe { (*self.context.skb.skb).vlan_present != 0 }
    }

    #[inline(always)]
    fn link(&self) -> u32 {
        self.context.cb().first().copied().unwrap_or(0)
    }

    #[inline(always)]
    fn enter(&mut self, bridge: u32) {
        let port = self.link();
        self.set_link(bridge);
        if let Some(station) = self.load::<[u8; 6]>(offset_of!(Ethernet, source))
            && is_to_be_shown(port, station)
        {
            self.show(port);
        }
    }
}
