//! The number of connections that the rules have room for.

use crate::kernel::machine;

/// A flow takes up to 400 bytes in all sets together, so they take one part in eighty of the memory at
/// most.
const MEMORY_FOR_EACH: u64 = 32 * 1024;
const LEAST: u32 = 1 << 16;
const MOST: u32 = 1 << 20;

/// A power of two that follows from this host's memory: the same as long as that is.
pub(super) fn connections() -> u32 {
    within(machine::memory())
}

fn within(memory: u64) -> u32 {
    let many = u32::try_from(memory / MEMORY_FOR_EACH).unwrap_or(MOST);
    // What the kernel keeps to itself must not halve it.
    let many = many.saturating_add(many / 4).clamp(LEAST, MOST);
    1 << many.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_has_room_for_more_within_bounds() {
        const GIB: u64 = 1 << 30;
        let rooms = [0, 1, 4, 16, 32, 1024].map(|size| within(size * GIB));
        assert_eq!(rooms, [LEAST, LEAST, 1 << 17, 1 << 19, MOST, MOST]);
        // Of 4 GiB, the kernel tells less.
        assert_eq!(within(4 * GIB / 10 * 9), 1 << 17);
    }
}
