//! The floor (tests/bench/programs/src/floor.rs) with its maps filled: what it finds there is what swarmlb's own
//! program finds in its maps.

use anyhow::{Context as _, Result};
use aya::maps::{Array, HashMap, MapData, PerCpuArray};
use aya::programs::{ProgramFd, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_abi::counters::Counters;
use lb_abi::flow::{ANSWERED, Flow};
use lb_abi::service::Frontend;
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32};
use zerocopy::{FromZeros as _, IntoBytes};

use super::node::{ELSEWHERE, FLOW, TARGET, TASKS, room, tasks, tuple};
use crate::lab::{mac, node};
use crate::states::TUNNEL;

/// The index of the frontend that all packets are for.
const FRONTEND: u32 = 1;

/// The floor's program and its counters, in the kernel.
pub(super) struct Floor {
    ebpf: Ebpf,
    counters: PerCpuArray<MapData, [u8; size_of::<Counters>()]>,
}

impl Floor {
    /// Loads it on node 1, with 2^`bits` flows to the tasks on node 2.
    pub(super) fn new(object: &[u8], bits: u32) -> Result<Self> {
        let count = 1_u32 << bits;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("FLOWS", room(bits))
            .load(object)?;
        let mut settings = Settings::new_zeroed();
        settings.node = Be32::new(node(1).into());
        settings.tunnel_port = Be16::new(TUNNEL);
        settings.mac = mac(node(1));
        set::<{ size_of::<Settings>() }>(&mut ebpf, "SETTINGS", 0, &settings)?;
        set::<4>(&mut ebpf, "PORTS", u32::from(ELSEWHERE), &FRONTEND)?;
        let tasks = tasks(1, 2);
        for (index, (_, backend)) in (1..).zip(&tasks) {
            let frontend = Frontend::new(Be16::new(TARGET), 1, 0, backend.service);
            set::<{ size_of::<Frontend>() }>(&mut ebpf, "FRONTENDS", FRONTEND, &frontend)?;
            set::<24>(&mut ebpf, "BACKENDS", index, backend)?;
        }
        let flows = ebpf.map_mut("FLOWS").context("the map FLOWS")?;
        let mut flows = HashMap::<_, [u8; 16], [u8; FLOW]>::try_from(flows)?;
        let home = Be32::new(node(2).into());
        for (number, task) in (0..count).zip((1..=u64::from(TASKS)).cycle()) {
            let key: [u8; 16] = zerocopy::transmute!(tuple(number, ELSEWHERE, 1, Be32::new(0)));
            let flow: [u8; FLOW] = zerocopy::transmute!(Flow::away(task, home, ANSWERED));
            flows.insert(key, flow, 0)?;
        }
        let counters = ebpf.take_map("COUNTERS").context("the map COUNTERS")?;
        let program = ebpf.program_mut("floor_xdp").context("the floor")?;
        <&mut Xdp>::try_from(program)?.load()?;
        Ok(Self {
            ebpf,
            counters: counters.try_into()?,
        })
    }

    /// The program.
    pub(super) fn program(&self) -> Result<&ProgramFd> {
        Ok(self.ebpf.program("floor_xdp").context("the floor")?.fd()?)
    }

    /// Packets that found a task, so far.
    pub(super) fn taken(&self) -> Result<u64> {
        let mut all = 0;
        for index in 1..=u32::from(TASKS) {
            for cpu in self.counters.get(&index, 0)?.iter() {
                let counters: Counters = zerocopy::transmute!(*cpu);
                all += counters.packets_in;
            }
        }
        Ok(all)
    }
}

/// Writes one entry of an array.
fn set<const N: usize>(
    ebpf: &mut Ebpf,
    name: &str,
    index: u32,
    value: &(impl IntoBytes + zerocopy::Immutable),
) -> Result<()> {
    let map = ebpf.map_mut(name).context(name.to_owned())?;
    let value: [u8; N] = value.as_bytes().try_into()?;
    Array::<_, [u8; N]>::try_from(map)?
        .set(index, value, 0)
        .with_context(|| name.to_owned())
}
