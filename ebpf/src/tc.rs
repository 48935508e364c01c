//! A packet as tc sees it: possibly several merged into one, its checksum possibly left to the hardware.
#![expect(unsafe_code, reason = "some fields and helpers have no safe wrapper")]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO,
    BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, bpf_adj_room_mode,
};
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_redirect_neigh};
use aya_ebpf::programs::TcContext;
use lb_abi::Be32;
use lb_datapath::Packet;
use lb_datapath::packet::Change;
use lb_datapath::tunnel::OVERHEAD;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A packet under tc.
pub(crate) struct TcFrame {
    context: TcContext,
}

impl TcFrame {
    #[inline(always)]
    pub(crate) fn new(context: TcContext) -> Self {
        Self { context }
    }

    /// Out of device `index`, to the packet's destination; the kernel finds the neighbour.
    #[inline(always)]
    pub(crate) fn redirect(&mut self, index: u32) -> i32 {
        // SAFETY: without parameters the helper looks the destination up by itself.
        (unsafe { bpf_redirect_neigh(index, core::ptr::null_mut(), 0, 0) }) as i32
    }
}

impl Packet for TcFrame {
    const DELIVERS: bool = true;

    #[inline(always)]
    fn length(&self) -> usize {
        self.context.len() as usize
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
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
    fn link(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.context.skb.skb).ifindex }
    }
}
