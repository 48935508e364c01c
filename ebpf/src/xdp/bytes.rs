//! Values in a frame. None is at an address that fits its type: each header follows one of 14 bytes.
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A value at an even address. Where nothing is known of an address, BPF is made to read byte by byte:
/// ten instructions for four bytes, in place of four.
#[derive(Clone, Copy)]
#[repr(C, align(2))]
struct Even<T>(T);

/// Is `T` a header, or a part of one that is whole words? Frames begin at even addresses, and such
/// parts stand at even offsets. TCP's options, of two bytes, may stand anywhere.
const fn even<T>() -> bool {
    size_of::<T>() >= 4 && size_of::<T>() == size_of::<Even<T>>()
}

/// Reads what stands at `place`.
///
/// # Safety
///
/// It lies within the frame, and at an even offset if it has four bytes or more.
#[inline(always)]
pub(crate) unsafe fn read<T: FromBytes + Copy>(place: *const T) -> T {
    if even::<T>() {
        // SAFETY: as above; any bytes are a valid T.
        unsafe { place.cast::<Even<T>>().read() }.0
    } else {
        // SAFETY: the same.
        unsafe { place.read_unaligned() }
    }
}

/// Writes `value` there.
///
/// # Safety
///
/// As for [`read`].
#[inline(always)]
pub(crate) unsafe fn write<T: IntoBytes + Immutable>(place: *mut T, value: &T) {
    // SAFETY: T has no padding, and does not need dropping (IntoBytes).
    let value = unsafe { core::ptr::read(value) };
    if even::<T>() {
        // SAFETY: as above.
        unsafe { place.cast::<Even<T>>().write(Even(value)) };
    } else {
        // SAFETY: the same.
        unsafe { place.write_unaligned(value) };
    }
}
