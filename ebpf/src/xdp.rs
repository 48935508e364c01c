//! A frame as XDP sees it: raw bytes, before the kernel has made a packet of them.
#![expect(
    unsafe_code,
    reason = "frames are reached through the context's pointers"
)]

pub(crate) mod bytes;

use crate::fib::{Fib, FibResult};
use crate::maps::NextHop;
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_head;
use aya_ebpf::programs::XdpContext;
use lb_abi::Be32;
use lb_datapath::Packet;
use lb_datapath::headers::Ethernet;
use lb_datapath::packet::{Change, ETHERNET};
use lb_datapath::tunnel::OVERHEAD;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A frame under XDP.
pub(crate) struct XdpFrame {
    context: XdpContext,
    /// MAC addresses towards the next hop, destination then source, once a route was found.
    next_hop: [[u8; 6]; 2],
}

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn new(context: XdpContext) -> Self {
        Self {
            context,
            next_hop: [[0; 6]; 2],
        }
    }

    /// Sends the frame out of the device that it came in on.
    #[inline(always)]
    pub(crate) fn transmit(&mut self) -> u32 {
        let next_hop = self.next_hop;
        if self.store(0, &next_hop) {
            xdp_action::XDP_TX
        } else {
            xdp_action::XDP_DROP
        }
    }

    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        let start = self.context.data() + offset;
        if start + size_of::<T>() > self.context.data_end() {
            return None;
        }
        Some(start as *mut T)
    }

    /// Moves the start of the frame, taking the Ethernet header along.
    #[inline(always)]
    fn move_head(&mut self, bytes: i32) -> bool {
        let Some(ethernet) = self.load::<Ethernet>(0) else {
            return false;
        };
        // SAFETY: the context is the kernel's own; pointers into the frame are not kept.
        if unsafe { bpf_xdp_adjust_head(self.context.ctx, bytes) } != 0 {
            return false;
        }
        self.store(0, &ethernet)
    }
}

impl Packet for XdpFrame {
    const DELIVERS: bool = false;

    #[inline(always)]
    fn length(&self) -> usize {
        self.context.data_end() - self.context.data()
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        // SAFETY: `at` checked that it lies within the frame.
        self.at::<T>(offset)
            .map(|value| unsafe { bytes::read(value) })
    }

    #[inline(always)]
    fn store<T: IntoBytes + Immutable>(&mut self, offset: usize, value: &T) -> bool {
        let Some(place) = self.at::<T>(offset) else {
            return false;
        };
        // SAFETY: `at` checked the bounds.
        unsafe { bytes::write(place, value) };
        true
    }

    #[inline(always)]
    fn grow(&mut self, _keep_segments: bool) -> bool {
        self.move_head(-(OVERHEAD as i32))
    }

    #[inline(always)]
    fn shrink(&mut self) -> bool {
        self.move_head(OVERHEAD as i32)
    }

    #[inline(always)]
    fn quote(&mut self, _keep: usize) -> bool {
        false // `DELIVERS` is false: never asked
    }

    #[inline(always)]
    fn patch_header(&mut self, _at: usize, _from: [u8; 4], _to: [u8; 4]) -> bool {
        false // `DELIVERS` is false: never asked
    }

    #[inline(always)]
    fn patch_transport(&mut self, _at: usize, _change: Change) -> bool {
        false // `DELIVERS` is false: never asked
    }

    #[inline(always)]
    fn route(&mut self, source: Be32, destination: Be32) -> bool {
        let link = self.link();
        // A look-up costs a third of all that is done for a packet of a known flow.
        if let Some(macs) = NextHop::known(source, destination, link) {
            self.next_hop = macs;
            return true;
        }
        let mut fib = Fib::new(link, source, destination);
        // Without a neighbour, or out of another device: tc goes on, where the kernel resolves.
        if fib.ask(self.context.as_ptr()) != FibResult::NextHop || fib.link() != link {
            return false;
        }
        self.next_hop = fib.macs();
        NextHop::keep(source, destination, link, self.next_hop);
        true
    }

    #[inline(always)]
    fn leads(&mut self, source: Be32, destination: Be32) -> bool {
        let mut fib = Fib::new(self.link(), source, destination);
        fib.ask(self.context.as_ptr()) != FibResult::NoRoute && fib.link() == self.link()
    }

    #[inline(always)]
    fn segment_size(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        1
    }

    #[inline(always)]
    fn socket(&self) -> u64 {
        0 // from the wire
    }

    #[inline(always)]
    fn redirected(&self) -> bool {
        false // it comes in
    }

    #[inline(always)]
    fn forwarded(&self) -> bool {
        false // it comes in
    }

    #[inline(always)]
    fn tagged(&self) -> bool {
        // Unseen where the card takes tags out. No harm is done: what XDP sends it sends by the
        // host's routes, and the rest it leaves to tc.
        false
    }

    #[inline(always)]
    fn link(&self) -> u32 {
        // SAFETY: reading the context's fields is what it is for.
        unsafe { (*self.context.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn enter(&mut self, _bridge: u32) {} // `DELIVERS` is false: never asked
}

const _: () = assert!(ETHERNET == size_of::<Ethernet>());
