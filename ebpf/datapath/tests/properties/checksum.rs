use lb_datapath::checksum::{fold, full, replace, replace4};
use proptest::collection::vec;
use proptest::prelude::*;

/// A packet's bytes; its first word is never zero.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 6..200).prop_map(|mut bytes| {
        bytes[0] |= 0x40;
        bytes
    })
}

proptest! {
    #[test]
    fn a_change_of_two_bytes_is_as_good_as_a_new_sum(
        mut bytes in bytes(), at in any::<prop::sample::Index>(), to: [u8; 2],
    ) {
        let at = (1 + at.index(bytes.len() / 2 - 1)) * 2;
        let before = full(&bytes);
        let from = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        bytes[at..at + 2].copy_from_slice(&to);
        prop_assert_eq!(replace(before, from, u16::from_be_bytes(to)), full(&bytes));
    }

    #[test]
    fn a_change_of_four_bytes_is_as_good_as_a_new_sum(
        mut bytes in bytes(), at in any::<prop::sample::Index>(), to: [u8; 4],
    ) {
        let at = (1 + at.index(bytes.len() / 2 - 2)) * 2;
        let before = full(&bytes);
        let from = <[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap();
        bytes[at..at + 4].copy_from_slice(&to);
        prop_assert_eq!(replace4(before, from, to), full(&bytes));
    }

    #[test]
    fn a_sum_over_bytes_and_its_own_checksum_is_ones(bytes in bytes()) {
        let sum = full(&bytes);
        let mut whole = bytes;
        if whole.len() % 2 == 1 {
            whole.push(0);
        }
        whole.extend(sum.to_be_bytes());
        prop_assert_eq!(full(&whole), 0);
    }

    #[test]
    fn folding_is_arithmetic_modulo_65535(sum: u32) {
        let folded = u32::from(fold(sum));
        prop_assert_eq!(folded % 0xffff, sum % 0xffff);
        prop_assert_eq!(folded == 0, sum == 0);
    }
}

#[test]
fn the_example_of_rfc_1624() {
    assert_eq!(replace(0xdd2f, 0x5555, 0x3285), 0x0000);
}
