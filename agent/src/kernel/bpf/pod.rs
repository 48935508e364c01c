//! Implements aya's `Pod` for `lb_abi`'s types, so that they can be map keys and values.
#![expect(unsafe_code, reason = "aya's Pod is an unsafe trait")]

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A map key or value.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Pod<T>(pub(crate) T);

// SAFETY: `IntoBytes` rules out padding, `FromBytes` makes any bytes a valid value,
// `Immutable` rules out interior mutability, and `transparent` adds nothing.
unsafe impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> aya::Pod for Pod<T> {}
