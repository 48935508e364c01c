//! The one promise that lets `lb_abi`'s types into maps.
#![expect(unsafe_code, reason = "aya's Pod is an unsafe trait")]

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A value as it lies in a map.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Wire<T>(pub(crate) T);

// SAFETY: `IntoBytes` rules out padding, `FromBytes` makes any bytes a valid value,
// `Immutable` rules out interior mutability, and `transparent` adds nothing.
unsafe impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> aya::Pod for Wire<T> {}
