//! Sizes of the LRU tables, and the kernel's memory for all maps.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use agent::kernel::bpf::{Action, Arrival, BpfKernel};
use agent::kernel::{StatsReader as _, machine};
use aya::maps::{MapData, MapInfo};
use lb_abi::service::Port;
use lb_abi::{Be16, TCP};
use lb_core::backend::Prune;
use lb_core::backend::ebpf::{HookKind, State, plan};
use lb_core::kernel::Kernel as _;
use lb_core::table_sizes::{LruTable, SizedBy, TableSizes};

use crate::frames::{at, client, tcp};
use crate::lab::{Net, lab, node};
use crate::states::{bare, here, publish};

/// Bytes.
const MB: u64 = 1_000_000;

/// The directory of the pins.
fn pins(net: &Net) -> PathBuf {
    net.bpffs.join(format!("swarmlb/v{}", lb_abi::VERSION))
}

fn info(pins: &Path, name: &str) -> MapInfo {
    MapInfo::from_pin(pins.join(name)).unwrap()
}

/// Checks that each LRU table in the kernel has the size that it should have.
#[track_caller]
fn have(pins: &Path, sizes: TableSizes) {
    for table in &LruTable::ALL {
        let entries = info(pins, table.name).max_entries();
        assert_eq!(entries, sizes.entries(table), "{}", table.name);
    }
}

/// Bytes of the kernel's memory that a map takes, as the kernel counts them.
fn memory(pins: &Path, name: &str) -> u64 {
    let map = MapData::from_pin(pins.join(name)).unwrap();
    let handle = map.fd().as_fd().as_raw_fd();
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{handle}")).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("memlock:"));
    line.unwrap().trim().parse().unwrap()
}

/// Names of all maps that are pinned.
fn maps(pins: &Path) -> Vec<String> {
    let names = fs::read_dir(pins).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("LB_")).collect()
}

fn load(net: &Net, sized_by: SizedBy) -> BpfKernel {
    BpfKernel::load(&net.bpffs, None, sized_by).unwrap()
}

#[test]
fn the_kernel_has_the_tables_that_the_machines_memory_allows_and_they_take_no_more() {
    lab(|lab| {
        for (machine_memory, bound) in [(2_000 * MB, 32 * MB), (1 << 40, 120 * MB)] {
            let net = lab.net(1);
            let kernel = load(&net, SizedBy::Memory(machine_memory));
            let (sizes, pins) = (kernel.sizes(), pins(&net));
            assert_eq!(sizes, TableSizes::for_memory(machine_memory));
            have(&pins, sizes);
            // Before 6.4 the kernel does not count what a map takes: it tells the sizes of keys and values.
            if machine::release() < Some((6, 4)) {
                continue;
            }
            let maps = maps(&pins);
            assert!(maps.len() > LruTable::ALL.len(), "{maps:?}");
            let all: u64 = maps.iter().map(|name| memory(&pins, name)).sum();
            assert!(all <= bound, "{all} bytes for {sizes:?}");
            let foreseen = sizes.memory();
            assert!(
                all.abs_diff(foreseen) < MB,
                "{all} bytes in place of {foreseen}"
            );
            for table in &LruTable::ALL {
                let (counted, foreseen) = (
                    memory(&pins, table.name),
                    table.memory(sizes.entries(table)),
                );
                let more = counted.abs_diff(foreseen);
                assert!(
                    more < 64 * 1024,
                    "{}: {counted} in place of {foreseen}",
                    table.name
                );
            }
        }
    });
}

#[test]
fn tables_of_another_size_are_made_again_and_what_else_there_is_stays() {
    lab(|lab| {
        let net = lab.net(1);
        let mut want = bare(&net, 1);
        publish(&mut want, TCP, 8080, 80, &[here(1)]);
        let syn = tcp(client(1), at(node(1), 8080), "S").frame();
        let open = |kernel: &BpfKernel| {
            let outcome = kernel.test_run(HookKind::UplinkTc, &Arrival::new(net.uplink, &syn));
            assert_eq!(outcome.unwrap().action, Action::Redirect);
        };

        let mut kernel = load(&net, SizedBy::Flows(20_000));
        for op in plan(&want, &State::default(), Prune::Allowed) {
            kernel.apply(&op).unwrap();
        }
        have(&pins(&net), TableSizes::for_flows(20_000));
        open(&kernel);
        assert_eq!(kernel.flows().unwrap().len(), 1);
        drop(kernel);

        let kernel = load(&net, SizedBy::Flows(20_000));
        assert_eq!(kernel.flows().unwrap().len(), 1, "nothing changed");
        drop(kernel);

        let mut kernel = load(&net, SizedBy::Flows(30_000));
        have(&pins(&net), TableSizes::for_flows(30_000));
        assert_eq!(
            kernel.flows().unwrap().len(),
            0,
            "it is told, and lost once"
        );
        assert_eq!(kernel.observe().unwrap(), want);
        open(&kernel);
        assert_eq!(
            kernel.flows().unwrap().len(),
            1,
            "programs use the new tables"
        );
        drop(kernel);

        // A bit more or less memory than before is no reason to lose it.
        let memory = (0..64_u64 << 30).step_by(1 << 20);
        let near = |memory: &u64| TableSizes::for_memory(*memory).flows() > 31_000;
        let kernel = load(
            &net,
            SizedBy::Memory(memory.into_iter().find(near).unwrap()),
        );
        assert_eq!(kernel.sizes().flows(), 30_000);
        assert_eq!(kernel.flows().unwrap().len(), 1);
    });
}

#[test]
fn where_loading_fails_the_tables_of_the_agent_before_are_pinned_as_they_were() {
    lab(|lab| {
        let net = lab.net(1);
        drop(load(&net, SizedBy::Flows(20_000)));
        let pins = pins(&net);
        let ids = || LruTable::ALL.map(|table| info(&pins, table.name).id());
        let before = ids();
        // Another map in the place of one that the programs can't do without: they are refused.
        let settings = pins.join("LB_SETTINGS");
        fs::remove_file(&settings).unwrap();
        let addresses = MapData::from_pin(pins.join("LB_VIPS")).unwrap();
        addresses.pin(&settings).unwrap();
        assert!(BpfKernel::load(&net.bpffs, None, SizedBy::Flows(30_000)).is_err());
        assert_eq!(ids(), before);
        have(&pins, TableSizes::for_flows(20_000));
    });
}

#[test]
fn the_entries_of_all_tables_are_counted_and_the_memory_of_all_maps() {
    lab(|lab| {
        let net = lab.net(1);
        let mut kernel = load(&net, SizedBy::Flows(20_000));
        let mut want = bare(&net, 1);
        publish(&mut want, TCP, 8080, 80, &[here(1)]);
        let port = Port::new(Be16::new(8080), TCP);
        want.frontends.get_mut(&port).unwrap().affinity_ticks = 600;
        for op in plan(&want, &State::default(), Prune::Allowed) {
            kernel.apply(&op).unwrap();
        }
        for port in 1..4 {
            let syn = tcp(client(port), at(node(1), 8080), "S").frame();
            let arrival = Arrival::new(net.uplink, &syn);
            kernel.test_run(HookKind::UplinkTc, &arrival).unwrap();
        }
        let stats = kernel.stats_reader().unwrap();
        kernel.recount_loads();
        kernel.finish();
        let (occupancy, sizes) = stats.occupancy().unwrap();
        assert_eq!(sizes, kernel.sizes());
        assert_eq!(occupancy.embryonic, 3);
        // One client, by three connections.
        assert_eq!(occupancy.others.affinities_embryonic, 1);
        assert_eq!(
            (occupancy.others.affinities, occupancy.others.callers),
            (0, 0)
        );
        // Other tests of this process have maps, too.
        let memory = occupancy.others.map_memory;
        assert!(memory >= sizes.memory() / 10 * 9, "{memory} bytes");
    });
}
