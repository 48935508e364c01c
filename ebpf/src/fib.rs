//! The host's routes and neighbours, as both kinds of programs ask for them.
#![expect(unsafe_code, reason = "the helper wants a pointer")]

use aya_ebpf::bindings::{
    BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup as Lookup,
};
use aya_ebpf::helpers::generated::bpf_fib_lookup;
use core::ffi::c_void;
use lb_abi::Be32;

/// Address family of IPv4 in the kernel's API.
pub(crate) const AF_INET: u8 = 2;

/// Result of a look-up in the host's routes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FibResult {
    /// Next hop and its MAC address are known.
    NextHop,
    /// There is a next hop, whose MAC address is not known.
    NoNeighbour,
    /// There is no route by which the host would forward.
    NoRoute,
}

/// Parameters of a route look-up, and its result once it was asked for.
pub(crate) struct Fib(Lookup);

impl Fib {
    /// For a packet that came in on device `link`.
    #[inline(always)]
    pub(crate) fn new(link: u32, source: Be32, destination: Be32) -> Self {
        // SAFETY: plain numbers, for which zero is valid.
        let mut lookup: Lookup = unsafe { core::mem::zeroed() };
        lookup.family = AF_INET;
        lookup.ifindex = link;
        lookup.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(source.to_bytes());
        lookup.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(destination.to_bytes());
        Self(lookup)
    }

    /// Asks. `context` is that of the program.
    #[inline(always)]
    pub(crate) fn ask(&mut self, context: *mut c_void) -> FibResult {
        let size = size_of::<Lookup>() as i32;
        // SAFETY: the context is the kernel's own, and it writes no more than `size` bytes.
        let found = unsafe { bpf_fib_lookup(context, &raw mut self.0, size, 0) };
        match u32::try_from(found) {
            Ok(BPF_FIB_LKUP_RET_SUCCESS) => FibResult::NextHop,
            Ok(BPF_FIB_LKUP_RET_NO_NEIGH) => FibResult::NoNeighbour,
            _ => FibResult::NoRoute,
        }
    }

    /// Index of the device that leads there.
    #[inline(always)]
    pub(crate) fn link(&self) -> u32 {
        self.0.ifindex
    }

    /// The next hop's IPv4 address, in network order: the gateway's, or the destination.
    #[inline(always)]
    pub(crate) fn next_hop(&self) -> u32 {
        // SAFETY: written by us or the kernel as an IPv4 address.
        unsafe { self.0.__bindgen_anon_4.ipv4_dst }
    }

    /// MAC addresses towards the next hop, destination then source.
    #[inline(always)]
    pub(crate) fn macs(&self) -> [[u8; 6]; 2] {
        [self.0.dmac, self.0.smac]
    }
}
