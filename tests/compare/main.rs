//! `cargo xtask compare`: what a client has of a published port by Swarm's own mesh, by swarmlb,
//! and by what stands between them and nothing, on the same Swarm in turn.
//!
//! Runs wherever the stock mesh does; `cargo xtask` runs it in a virtual machine.

#![expect(clippy::print_stderr, reason = "progress, for whoever waits")]

mod busy;
mod datapath;
mod load;
mod machine;
mod results;
mod tasks;
mod updates;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use harness::lab_dir::Description;
use harness::swarm::Swarm;
use results::{Locality, Results, Sample, Variant, Version};
use tasks::Tasks;
use updates::Rolling;

#[derive(Parser)]
struct Args {
    /// Where the results are written to, as JSON
    #[arg(long)]
    json: PathBuf,
    /// Rounds: each measures every variant once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// In how many of the rounds a service is updated by each variant, stop-first and start-first
    #[arg(long, default_value_t = 1)]
    updates: u32,
    /// Seconds that each measurement lasts; that of the latency four times as long
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds after a stack was deployed or removed, before something is measured: what the engines have
    /// to do with it shall be over, and agents ask more often for 30 s after a change
    #[arg(long, default_value_t = 35)]
    settle: u64,
    /// The source's commit, to be written down
    #[arg(long)]
    commit: Option<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(
        Path::new("/proc/net/ip_vs").exists(),
        "this kernel has no IPVS, and so no stock mesh"
    );
    let description = Description {
        prefix: "lbcompare".to_owned(),
        nodes: 3,
        managers: 1,
        mtu: 1500,
    };
    eprintln!("Starting a Swarm of three nodes.");
    let swarm = Swarm::up(Path::new("/tmp/swarmlb-compare"), description)?;
    let results = measure(&swarm, args);
    let down = swarm.down();
    let json = serde_json::to_vec_pretty(&results?)?;
    std::fs::write(&args.json, json).with_context(|| args.json.display().to_string())?;
    down
}

fn measure(swarm: &Swarm, args: &Args) -> Result<Results> {
    eprintln!("Starting the tasks.");
    swarm.load_agent()?;
    let tasks = Tasks::start(swarm)?;
    let mut rolling = Rolling::start(swarm)?;
    datapath::served_by_swarmlb(swarm, false)?;
    let lasts = Duration::from_secs_f64(args.seconds);
    let settle = || sleep(Duration::from_secs(args.settle));
    settle();
    let rate = rate(swarm, &tasks, lasts)?;
    let mut results = Results {
        machine: machine::this(swarm)?,
        swarmlb: Version {
            version: machine::swarmlb()?,
            commit: args.commit.clone(),
        },
        rounds: args.rounds,
        seconds: args.seconds,
        connections: load::CONNECTIONS,
        rate,
        update_rate: rate / 10,
        notes: Vec::new(),
        samples: Vec::new(),
        updates: Vec::new(),
    };
    let mut datapaths = vec![Variant::Ebpf, Variant::Ipvs];
    if !datapath::is_known(Variant::Ipvs)? {
        datapaths.retain(|variant| *variant != Variant::Ipvs);
        let note = "The IPVS datapath is left out: this agent has none.";
        results.notes.push(note.to_owned());
    }
    for round in 1..=args.rounds {
        let begin = Instant::now();
        let updates = round <= args.updates;
        for variant in [Variant::Direct, Variant::Host, Variant::Mesh] {
            each_locality(swarm, &tasks, (variant, round), &mut results)?;
        }
        if updates {
            both_orders(&mut rolling, (Variant::Mesh, round), &mut results)?;
        }
        for variant in &datapaths {
            datapath::deploy(swarm, *variant, &tasks, &rolling)?;
            settle();
            each_locality(swarm, &tasks, (*variant, round), &mut results)?;
            if updates {
                both_orders(&mut rolling, (*variant, round), &mut results)?;
            }
            datapath::remove(swarm)?;
            settle();
        }
        let took = begin.elapsed().as_secs_f32();
        eprintln!("Round {round} of {} took {took:.0} s.", args.rounds);
    }
    Ok(results)
}

/// A rate well below what any variant can do: a fifth of what the longest one does.
fn rate(swarm: &Swarm, tasks: &Tasks<'_>, lasts: Duration) -> Result<u32> {
    let peer = tasks.peer(Variant::Mesh, Locality::Remote);
    let peer = peer.context("the mesh leads everywhere")?;
    let most = load::run(&swarm.client, async || load::kept(peer, lasts).await)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of requests"
    )]
    let rate = (most.per_second / 5.0) as u32;
    Ok(rate.clamp(20, 20_000))
}

/// Everything but updates, one after the other.
fn each_locality(
    swarm: &Swarm,
    tasks: &Tasks<'_>,
    (variant, round): (Variant, u32),
    results: &mut Results,
) -> Result<()> {
    let lasts = Duration::from_secs_f64(results.seconds);
    for locality in [Locality::Local, Locality::Remote] {
        let Some(peer) = tasks.peer(variant, locality) else {
            continue;
        };
        let rate = results.rate;
        let all = async || {
            Ok(Sample {
                round,
                variant,
                locality,
                kept: load::kept(peer, lasts).await?,
                new: load::new(peer, lasts).await?,
                paced: load::paced(peer, rate, 4 * lasts).await?,
                bulk: load::bulk(peer, lasts).await?,
            })
        };
        let sample = load::run(&swarm.client, all);
        let sample = sample.with_context(|| format!("{variant:?}, {locality:?}: {peer}"))?;
        eprintln!("{}", serde_json::to_string(&sample)?);
        results.samples.push(sample);
    }
    Ok(())
}

fn both_orders(
    rolling: &mut Rolling<'_>,
    (variant, round): (Variant, u32),
    results: &mut Results,
) -> Result<()> {
    for order in ["stop-first", "start-first"] {
        let mut update = rolling
            .update(variant, order, results.update_rate)
            .with_context(|| format!("{order} update by {variant:?}"))?;
        update.round = round;
        eprintln!("{}", serde_json::to_string(&update)?);
        results.updates.push(update);
    }
    Ok(())
}
