//! Nanoseconds per packet in each program, by `BPF_PROG_TEST_RUN`.
//!
//! What is in the figures: the program, its maps, and the wrapper's work of making the frame
//! anew, which the bare program's figure shows by itself. What is not: the driver, the device,
//! and what the kernel does with a packet afterwards.

mod cases;
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
use cases::Case;
use lb_core::backend::ebpf::HookKind;
use node::Node;
use wrapped::Level;

/// A client's address: `203.0.113.host`.
fn client(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, host)
}

/// Measures every case, and counts the programs' instructions.
pub(crate) fn measure(object: &[u8], only: Option<&str>, effort: Effort) -> Result<Vec<Table>> {
    let mut tables = Err(anyhow!("not measured"));
    lab(|lab| tables = measured(lab, object, only, effort));
    tables
}

fn measured(lab: &Lab, object: &[u8], only: Option<&str>, effort: Effort) -> Result<Vec<Table>> {
    // One CPU: the maps' free lists and the counters are kept per CPU.
    let mut cpu = CpuSet::new();
    cpu.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpu)?;
    let mut cases = list::all(lab, object)?;
    if let Some(only) = only {
        cases.retain(|case| case.is_bare() || case.name.contains(only));
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

fn table(title: &str, level: Level, cases: &[Case]) -> Result<Table> {
    let of_level = || cases.iter().filter(|case| case.level == level);
    let bare = of_level().next().context("a case")?;
    let bare = Spread::of(bare.counted()).median;
    let mut rows = Vec::new();
    for case in of_level() {
        let spread = Spread::of(case.counted());
        ensure!(spread.least > 0.0, "{}: not measured", case.name);
        rows.push(Row {
            name: case.name.clone(),
            cells: vec![
                Cell::Spread(spread, 0),
                Cell::Number(spread.median - bare, 0),
                Cell::Text(case.note()?),
            ],
        });
    }
    Ok(Table {
        title: title.to_owned(),
        columns: vec!["packet", "ns (least to most)", "above bare", "note"],
        rows,
    })
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
