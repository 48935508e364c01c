//! A test that fails leaves no program, no link and no pin behind.

use std::collections::BTreeSet;
use std::sync::Mutex;

use aya::programs::loaded_programs;
use lb_core::backend::ebpf::HookKind;

use crate::lab::lab;
use crate::world::World;

#[test]
fn a_test_that_panics_leaves_nothing_behind() {
    let loaded = || -> BTreeSet<u32> {
        loaded_programs()
            .flatten()
            .map(|program| program.id())
            .collect()
    };
    let made = Mutex::new(None);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        lab(|lab| {
            let world = World::new(lab, 1);
            let ids = HookKind::ALL.map(|kind| world.program_id(kind));
            *made.lock().unwrap() = Some((lab.bpffs().to_owned(), ids));
            panic!("on purpose");
        });
    }));
    let Some((bpffs, ids)) = made.into_inner().unwrap() else {
        return; // not root: said already
    };
    assert!(ended.is_err());
    assert!(!bpffs.exists());
    // The kernel takes links and programs down a moment after their last holder is gone.
    for _ in 0..100 {
        if ids.iter().all(|id| !loaded().contains(id)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("programs {ids:?} are still loaded");
}
