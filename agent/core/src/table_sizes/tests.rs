use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MB: u64 = 1_000_000;
const GIB: u64 = 1 << 30;

#[test]
fn two_gigabytes_have_32_megabytes_for_maps_and_no_machine_more_than_120() {
    for memory in [2_000 * MB, 2 * GIB] {
        let sizes = TableSizes::for_memory(memory);
        assert!(sizes.memory() <= 32 * MB, "{sizes:?}: {}", sizes.memory());
        // The bound is used, and not kept by tables that are too small.
        assert!(sizes.memory() > 28 * MB, "{sizes:?}: {}", sizes.memory());
        assert!(sizes.flows() > 20_000, "{sizes:?}");
    }
    let most = TableSizes::for_memory(u64::MAX);
    assert_eq!(most, TableSizes::default());
    // What is left to 120 MB is for the entries of services.
    assert!(most.memory() <= 117 * MB, "{}", most.memory());
    assert_eq!(TableSizes::for_memory(8 * GIB), most);
}

#[test]
fn machines_with_little_memory_have_the_least_tables_which_are_no_burden() {
    for memory in [0, 512 << 20, GIB] {
        assert_eq!(
            TableSizes::for_memory(memory).flows(),
            TableSizes::LEAST_FLOWS
        );
    }
    let least = TableSizes::for_flows(0).memory();
    assert!(least <= (512 << 20) / 20, "{least}: a 20th of 512 MiB");
}

/// Bytes for each entry as `htab_map_mem_usage` of Linux 6.18 has them, by hand.
#[test]
fn a_table_takes_what_the_kernel_allocates_for_it() {
    let of = |name: &str| LruTable::ALL.into_iter().find(|table| table.name == name);
    let cases = [
        // Key of 16 bytes, value of 40.
        ("LB_FLOWS", 176_128, 176_128 * (48 + 16 + 40) + 262_144 * 16),
        // Keys of 12 bytes and values of 4 take a multiple of 8.
        ("LB_FRAGMENTS", 1_024, 1_024 * (48 + 16 + 8) + 1_024 * 16),
        ("LB_OWN_FLOWS", 1_025, 1_025 * (48 + 16 + 8) + 2_048 * 16),
        (
            "LB_SOCK_REV_NAT",
            4_096,
            4_096 * (48 + 16 + 32) + 4_096 * 16,
        ),
    ];
    for (name, entries, bytes) in cases {
        assert_eq!(of(name).unwrap().memory(entries), bytes, "{name}");
    }
}

#[test]
fn each_table_has_a_name_of_its_own_and_the_object_files_size_by_default() {
    let names: BTreeSet<_> = LruTable::ALL.iter().map(|table| table.name).collect();
    assert_eq!(names.len(), LruTable::ALL.len());
    for table in &LruTable::ALL {
        assert_eq!(TableSizes::default().entries(table), table.default_entries);
        assert!(
            TableSizes::for_flows(0).entries(table) >= 1_024,
            "{}",
            table.name
        );
    }
}

#[test]
fn the_operator_is_obeyed_whatever_an_earlier_agent_left() {
    for found in [None, Some(1), Some(99_000), Some(100_000)] {
        assert_eq!(SizedBy::Flows(100_000).sizes(found).flows(), 100_000);
    }
}

#[test]
fn a_table_of_about_the_right_size_stays_and_another_one_does_not() {
    let memory = 4 * GIB;
    let wanted = TableSizes::for_memory(memory);
    let flows = |found| SizedBy::Memory(memory).sizes(found).flows();
    assert_eq!(flows(None), wanted.flows());
    for near in [wanted.flows() / 8 * 7 + 8, wanted.flows() / 8 * 9] {
        assert_eq!(flows(Some(near)), near);
    }
    for far in [0, wanted.flows() / 2, wanted.flows() / 4 * 5, u32::MAX] {
        assert_eq!(flows(Some(far)), wanted.flows(), "{far}");
    }
    // More than the most by default is what an operator asked for before.
    let most = SizedBy::Memory(64 * GIB).sizes(Some(limits::FLOWS + 1));
    assert_eq!(most, TableSizes::default());
}

proptest! {
    #[test]
    fn more_memory_never_means_smaller_tables_or_more_than_its_part(memory in 0..1_u64 << 37, more in 0..1_u64 << 37) {
        let (sizes, larger) = (TableSizes::for_memory(memory), TableSizes::for_memory(memory + more));
        prop_assert!(sizes <= larger && sizes.memory() <= larger.memory());
        prop_assert!(sizes.memory() <= (memory / MEMORY_DIVISOR).max(TableSizes::for_flows(0).memory()));
        prop_assert!(sizes.memory() <= 117 * MB);
        for table in &LruTable::ALL {
            prop_assert!(sizes.entries(table) <= larger.entries(table));
            prop_assert!(sizes.entries(table) <= table.default_entries);
        }
    }

    #[test]
    fn the_tables_keep_their_proportion(flows in TableSizes::LEAST_FLOWS..=TableSizes::MOST_FLOWS) {
        let sizes = TableSizes::for_flows(flows);
        prop_assert_eq!(sizes.flows(), flows);
        for table in &LruTable::ALL {
            let whole = u64::from(sizes.entries(table)) * u64::from(limits::FLOWS);
            let wanted = u64::from(table.default_entries) * u64::from(flows);
            prop_assert!(whole <= wanted && wanted - whole < u64::from(limits::FLOWS));
        }
    }

    #[test]
    fn what_is_kept_of_an_earlier_agent_is_its_size(memory in 0..1_u64 << 35, found in 0..1_u32 << 20) {
        let sizes = SizedBy::Memory(memory).sizes(Some(found));
        let wanted = TableSizes::for_memory(memory);
        prop_assert!(sizes == wanted || sizes.flows() == found);
        prop_assert!(sizes.flows().abs_diff(wanted.flows()) <= wanted.flows() / 8);
        prop_assert!(sizes <= TableSizes::default());
    }
}
