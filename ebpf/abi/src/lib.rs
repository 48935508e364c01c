//! Types that the agent and the programs in the kernel share.
//!
//! Every type is plain bytes: no padding (zerocopy's derive refuses it at compile
//! time), any bit pattern valid. What stands on the wire is big-endian *in its
//! type*; everything else has the machine's own order. Both sides compile this
//! one definition, so there is no second copy to keep in step.
#![no_std]
#![forbid(unsafe_code)]

pub mod counters;
pub mod flow;
mod fragment;
mod kind;
pub mod limits;
pub mod path_mtu;
mod rev_nat;
pub mod service;
pub mod settings;
pub mod sock_rev_nat;
pub mod tunnel;

pub use zerocopy::big_endian::{U16 as Be16, U32 as Be32};

/// Version of everything in this crate; part of the directory that maps and links
/// are pinned in, so that an agent never adopts objects of another layout.
pub const VERSION: u32 = 6;

/// IP protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;
/// IP protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
