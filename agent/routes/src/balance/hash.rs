//! Hashes that come out alike on all nodes and in all versions: cookies and choices depend on them. A change sends clients to
//! other tasks.

/// FNV-1a of 64 bits over several texts (draft-eastlake-fnv), mixed. A byte that no UTF-8 has stands between them, so that
/// `a` and `bc` is not `ab` and `c`.
pub(super) fn texts(texts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for text in texts {
        for byte in text.iter().chain(&[0xff]) {
            hash ^= u64::from(*byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mixed(hash)
}

/// SplitMix64's finalizer, as the datapath has it (ADR 0007): each bit of the input changes half of the output's.
pub(super) fn mixed(value: u64) -> u64 {
    let mut value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Of two numbers, in this order.
pub(super) fn pair(one: u64, other: u64) -> u64 {
    mixed(mixed(one) ^ other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_stay_as_they_are() {
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(1), 0x910a_2dec_8902_5cc1);
        assert_eq!(texts(&[]), mixed(0xcbf2_9ce4_8422_2325));
        assert_ne!(texts(&[b"a", b"bc"]), texts(&[b"ab", b"c"]));
        assert_ne!(pair(1, 2), pair(2, 1));
    }
}
