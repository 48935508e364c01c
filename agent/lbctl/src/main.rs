//! `lbctl`: shows reports of an agent of swarmlb, for people (tables) and scripts (`--json`).
//!
//! It talks to the agent's unix socket and to nothing else, and changes nothing.

mod ask;
mod cli;
mod failure;
mod human;
mod latency;
mod out;
mod rates;
mod show;
mod table;
mod watch;

use ask::Agent;
use clap::{CommandFactory, Parser};
use cli::{Cli, Question, Verb};
use failure::Failure;
use lb_core::report::{
    Check, Drops, Explanation, Flows, Nodes, RequestExplanation, Routes, Services, Stats, Status,
    Verdict,
};
use serde::Serialize;
use std::process::ExitCode;

/// Result of a command, which decides the exit code.
enum Found {
    Well,
    Problems,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = matches!(cli.verb, Verb::Status { quiet: true });
    match run(&cli).await {
        Ok(Found::Well) => ExitCode::SUCCESS,
        Ok(Found::Problems) => ExitCode::from(cli::PROBLEMS),
        Err(failure) => {
            if !quiet {
                out::print_error(&failure);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: &Cli) -> Result<Found, Failure> {
    let agent = Agent::at(&cli.socket);
    match &cli.verb {
        Verb::Status { quiet } => {
            let status: Status = agent.ask("/v1/status").await?;
            if !quiet {
                tell(cli, &status, show::status::text)?;
            }
            if status.connected && status.in_sync {
                return Ok(Found::Well);
            }
            return Ok(Found::Problems);
        }
        Verb::Services => {
            let services: Services = agent.ask("/v1/services").await?;
            tell(cli, &services, show::services::text)?;
        }
        Verb::Routes { problems } => {
            let routes: Routes = agent.ask("/v1/routes").await?;
            if *problems {
                tell(cli, &routes, |routes| show::check::table(&routes.problems))?;
                if !routes.problems.is_empty() {
                    return Ok(Found::Problems);
                }
            } else {
                tell(cli, &routes, |routes| {
                    show::routes::text(routes, out::width())
                })?;
            }
        }
        Verb::Nodes => {
            let nodes: Nodes = agent.ask("/v1/nodes").await?;
            tell(cli, &nodes, show::nodes::text)?;
        }
        Verb::Stats(asked) => match asked.watch {
            Some(every) => watch::run(&agent, asked, every, cli.json).await?,
            None => {
                let stats: Stats = agent.ask(&asked.path()).await?;
                tell(cli, &stats, |stats| {
                    if asked.http {
                        show::http::text(stats, None, out::width())
                    } else {
                        show::stats::text(stats, None, out::width())
                    }
                })?;
            }
        },
        Verb::Flows(asked) => {
            let flows: Flows = agent.ask(&asked.path()).await?;
            tell(cli, &flows, |flows| show::flows::text(flows, out::width()))?;
        }
        Verb::Explain(asked) => match asked.question()? {
            Question::Packet(path) => {
                let explanation: Explanation = agent.ask(&path).await?;
                tell(cli, &explanation, show::explanation::text)?;
                if !matches!(explanation.verdict, Verdict::Here | Verdict::Elsewhere) {
                    return Ok(Found::Problems);
                }
            }
            Question::Request(path) => {
                let explanation: RequestExplanation = agent.ask(&path).await?;
                tell(cli, &explanation, show::explanation::request)?;
                if !explanation.is_served() {
                    return Ok(Found::Problems);
                }
            }
        },
        Verb::Drops { all } => {
            let drops: Drops = agent.ask("/v1/drops").await?;
            tell(cli, &drops, |drops| show::drops::text(drops, *all))?;
        }
        Verb::Check => {
            let check: Check = agent.ask("/v1/check").await?;
            tell(cli, &check, show::check::text)?;
            if !check.problems.is_empty() {
                return Ok(Found::Problems);
            }
        }
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "lbctl", &mut script);
            out::write(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(Found::Well)
}

/// The report as JSON, or as text.
fn tell<T: Serialize>(cli: &Cli, report: &T, words: impl Fn(&T) -> String) -> Result<(), Failure> {
    if cli.json {
        out::write(&format!("{}\n", out::pretty(report)?))
    } else {
        out::write(&words(report))
    }
}
