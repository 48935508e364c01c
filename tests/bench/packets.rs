//! Nanoseconds per packet in each program, by `BPF_PROG_TEST_RUN`.
//!
//! The figures contain the program, its maps, and the wrapper's work of making the frame
//! anew, which the bare program's figure shows by itself. They do not contain the driver, the device,
//! and what the kernel does with a packet afterwards.

mod cases;
mod floor;
mod list;
mod node;
#[path = "programs/src/plan.rs"]
mod plan;
mod sent;
mod wrapped;

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::effort::Effort;
use crate::figures::{Cell, Row, Spread, Table};
use crate::lab::{Lab, lab};
use cases::{Case, Role};
use lb_core::state::HookKind;
use node::Node;
use wrapped::Level;

/// A client's address: `203.0.113.host`.
fn client(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, host)
}

/// Compiled programs of the package lb-bench-programs.
pub(crate) struct Objects {
    /// The wrappers, and the programs that do nothing.
    pub(crate) wrappers: Vec<u8>,
    /// The program that others are compared with.
    pub(crate) floor: Vec<u8>,
}

/// Measures every case, and counts the programs' instructions.
pub(crate) fn measure(objects: &Objects, only: Option<&str>, effort: Effort) -> Result<Vec<Table>> {
    let mut tables = Err(anyhow!("not measured"));
    lab(|lab| tables = measured(lab, objects, only, effort));
    tables
}

fn measured(
    lab: &Lab,
    objects: &Objects,
    only: Option<&str>,
    effort: Effort,
) -> Result<Vec<Table>> {
    // One CPU: the maps' free lists and the counters are kept per CPU.
    let mut cpu = CpuSet::new();
    cpu.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpu)?;
    let mut cases = list::all(lab, objects, effort)?;
    if let Some(only) = only {
        let wanted = |case: &Case| case.name.contains(only);
        let compared = cases.iter().filter(|case| wanted(case));
        let roles: Vec<Role> = compared.map(Case::role).collect();
        cases.retain(|case| case.is_bare() || wanted(case) || is_floor_of(case, &roles));
    }
    for _ in 0..=effort.packet_rounds {
        for case in &mut cases {
            case.round(effort.packets)
                .with_context(|| case.name.clone())?;
        }
    }
    Ok(vec![
        table("Nanoseconds per packet: XDP", Level::Xdp, &cases)?,
        table("Nanoseconds per packet: tc", Level::Tc, &cases)?,
        instructions(lab)?,
    ])
}

/// Is it the floor for a case with one of these roles?
fn is_floor_of(case: &Case, roles: &[Role]) -> bool {
    matches!(case.role(), Role::Floor(bits) if roles.contains(&Role::Compared(bits)))
}

fn table(title: &str, level: Level, cases: &[Case]) -> Result<Table> {
    let of_level = || cases.iter().filter(|case| case.level == level);
    let bare = of_level().next().context("a case")?;
    let floors = of_level().any(|case| matches!(case.role(), Role::Floor(_)));
    let mut rows = Vec::new();
    for case in of_level() {
        let spread = Spread::of(case.counted());
        ensure!(spread.least > 0.0, "{}: not measured", case.name);
        let above = spread.median - Spread::of(bare.counted()).median;
        let mut cells = vec![Cell::Spread(spread, 0), Cell::Number(above, 0)];
        if floors {
            let floor = of_level().find(|floor| is_floor_of(floor, &[case.role()]));
            let ratio = floor.and_then(|floor| multiple(case, floor, bare));
            cells.push(ratio.map_or(Cell::Text(String::new()), |ratio| Cell::Spread(ratio, 2)));
        }
        cells.push(Cell::Text(case.note()?));
        rows.push(Row {
            name: case.name.clone(),
            cells,
        });
    }
    let mut columns = vec!["packet", "ns (least to most)", "above bare"];
    columns.extend(floors.then_some("× floor (least to most)"));
    columns.push("note");
    Ok(Table {
        title: title.to_owned(),
        columns,
        rows,
    })
}

/// The cost of a case above the bare program as a multiple of the floor's cost above it, round by round.
fn multiple(case: &Case, floor: &Case, bare: &Case) -> Option<Spread> {
    let rounds = case
        .counted()
        .iter()
        .zip(floor.counted())
        .zip(bare.counted());
    let above = rounds.map(|((case, floor), bare)| (case - bare, floor - bare));
    let ratios: Vec<f64> = above
        .filter(|(_, floor)| *floor > 0.0)
        .map(|(case, floor)| case / floor)
        .collect();
    (!ratios.is_empty()).then(|| Spread::of(&ratios))
}

/// The verifier's and the compiler's view of every program.
fn instructions(lab: &Lab) -> Result<Table> {
    let node = Node::new(lab, 1)?;
    let mut rows = Vec::new();
    for kind in HookKind::ALL {
        let verified = node.kernel.verified_instructions(kind)?;
        let verified = verified.context("the kernel counts since Linux 5.16")?;
        rows.push(Row {
            name: kind.as_str().to_owned(),
            cells: vec![Cell::Number(f64::from(verified), 0)],
        });
    }
    Ok(Table {
        title: "Instructions that the verifier walks through (the kernel's limit is 1,000,000)"
            .to_owned(),
        columns: vec!["program", "instructions"],
        rows,
    })
}
