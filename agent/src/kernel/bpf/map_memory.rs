//! The kernel's memory that the maps take.

use crate::kernel::machine;
use lb_core::table_sizes::TableSizes;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// The first release whose kernel counts what a map takes. Earlier ones tell what its keys and values would take if it were full:
/// `bpf_map_memory_footprint` of kernel/bpf/syscall.c, without the headers of elements.
const COUNTS_SINCE: (u32, u32) = (6, 4);

/// Bytes of all maps of this process, as the kernel counts them; where it does not, what follows from the tables' `sizes`: that is
/// without the entries of services.
pub(super) fn bytes(sizes: TableSizes) -> u64 {
    let counts = machine::release().is_some_and(|release| release >= COUNTS_SINCE);
    let counted = if counts { counted() } else { None };
    counted.unwrap_or_else(|| sizes.memory())
}

/// Sum over the maps that this process has handles of; `None` where they can't be read.
fn counted() -> Option<u64> {
    let read = || -> io::Result<u64> {
        let mut maps = BTreeMap::new();
        for handle in fs::read_dir("/proc/self/fdinfo")? {
            // Handles come and go.
            let told = fs::read_to_string(handle?.path()).unwrap_or_default();
            maps.extend(map(&told));
        }
        Ok(maps.values().sum())
    };
    read().ok().filter(|bytes| *bytes > 0)
}

/// Number and bytes of the map that a handle is of, if it is of one, by what the kernel tells of the handle.
fn map(told: &str) -> Option<(u32, u64)> {
    let value = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim())
    };
    // Only a map has a type; programs have `memlock`, too.
    value("map_type:")?;
    let (id, bytes) = (value("map_id:")?, value("memlock:")?);
    Some((id.parse().ok()?, bytes.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_of_a_map_tells_its_memory_and_others_none() {
        let of_a_map = "pos:\t0\nflags:\t02000002\nmap_type:\t9\nkey_size:\t16\nvalue_size:\t40\nmax_entries:\t4096\n\
            map_flags:\t0x0\nmap_extra:\t0x0\nmemlock:\t491960\nmap_id:\t27\nfrozen:\t0\n";
        assert_eq!(map(of_a_map), Some((27, 491_960)));
        let of_a_program = "pos:\t0\nprog_type:\t6\nprog_jited:\t1\nmemlock:\t4096\nprog_id:\t8\n";
        assert_eq!(map(of_a_program), None);
        assert_eq!(map("pos:\t0\nflags:\t0100002\n"), None);
    }

    #[test]
    fn without_maps_the_sizes_tell_the_memory() {
        let sizes = TableSizes::default();
        assert_eq!(bytes(sizes), sizes.memory());
    }
}
