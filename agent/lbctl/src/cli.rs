//! Arguments.

mod explain;

pub(crate) use explain::{ExplainArgs, Question};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use lb_core::report::{DEFAULT_FLOWS, DEFAULT_SOCKET, Scope};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::PathBuf;
use std::time::Duration;

/// Exit code when something is found wrong, or the agent refuses.
pub(crate) const PROBLEMS: u8 = 1;
/// Exit code when the question makes no sense; clap's own for arguments.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Exit code when the agent cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  problems were found (check; routes --problems; status when not connected or not in sync;
     explain when no task would get the packet or the request), or the agent
     cannot answer what was asked
  2  the command line is wrong
  3  no agent can be reached, or not one of this version";

/// Shows what the load balancer on this node serves, to whom, and what is wrong.
#[derive(Debug, Parser)]
#[command(name = "lbctl", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The agent's socket.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "SWARMLB_SOCKET",
        default_value = DEFAULT_SOCKET
    )]
    pub(crate) socket: PathBuf,

    /// Print the agent's report as JSON, with exact numbers.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Is the agent well, and what does it run on?
    #[command(after_help = EXIT_CODES)]
    Status {
        /// Print nothing: the exit code says it (for health checks).
        #[arg(long, short)]
        quiet: bool,
    },
    /// Services with published ports, and how many tasks answer.
    #[command(visible_alias = "ls", after_help = EXIT_CODES)]
    Services,
    /// HTTP routes: which requests belong to which service, and how many tasks answer.
    #[command(after_help = EXIT_CODES)]
    Routes {
        /// Only what in services' labels is not served, and why.
        #[arg(long, short)]
        problems: bool,
    },
    /// Nodes of the Swarm, as this agent sees them.
    #[command(after_help = EXIT_CODES)]
    Nodes,
    /// Traffic per service and task, or HTTP requests per route: the sum over all nodes.
    #[command(after_help = EXIT_CODES)]
    Stats(StatsArgs),
    /// Flows that this node remembers: which client talks to which task.
    #[command(after_help = EXIT_CODES)]
    Flows(FlowsArgs),
    /// What would happen to a client's packet that arrives on this node now, or to a request for a URL, and why.
    ///
    /// Nothing is sent and nothing changed: no connection is opened, no turn taken.
    ///
    /// `lbctl explain 203.0.113.7 alpha:8080` explains a packet to a published port,
    /// `lbctl explain https://shop.example/cart` a request to the HTTP router.
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArgs),
    /// Packets that this node dropped, by reason.
    #[command(after_help = EXIT_CODES)]
    Drops {
        /// Also reasons that never applied.
        #[arg(long, short)]
        all: bool,
    },
    /// What cannot be served as asked, and what to do about it.
    #[command(after_help = EXIT_CODES)]
    Check,
    /// Print a completion script, e.g. `lbctl completions bash > /etc/bash_completion.d/lbctl`.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Only this service, by name or id.
    #[arg(long, short, value_name = "SERVICE")]
    pub(crate) service: Option<String>,

    /// Only what came in through this node.
    #[arg(long)]
    pub(crate) node: bool,

    /// HTTP requests by service and route, as the routers count them, in place of connections.
    #[arg(long)]
    pub(crate) http: bool,

    /// Show again every so many seconds [default: 2], with rates, until Ctrl-C.
    /// With --json: one report per line.
    #[arg(
        long,
        short,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = seconds
    )]
    pub(crate) watch: Option<Duration>,
}

impl StatsArgs {
    /// What to ask the agent for.
    pub(crate) fn path(&self) -> String {
        let scope = if self.node {
            Scope::Node
        } else {
            Scope::Cluster
        };
        let mut path = format!("/v1/stats?scope={}", scope.as_str());
        if let Some(service) = &self.service {
            path.push_str("&service=");
            path.extend(utf8_percent_encode(service, NON_ALPHANUMERIC));
        }
        path
    }
}

#[derive(Debug, Args)]
pub(crate) struct FlowsArgs {
    /// Only flows of this service, by name or id.
    #[arg(long, short, value_name = "SERVICE")]
    pub(crate) service: Option<String>,

    /// At most so many, the most recently used ones.
    #[arg(long, short = 'n', value_name = "N", default_value_t = DEFAULT_FLOWS)]
    pub(crate) limit: usize,
}

impl FlowsArgs {
    /// What to ask the agent for.
    pub(crate) fn path(&self) -> String {
        let mut path = format!("/v1/flows?limit={}", self.limit);
        if let Some(service) = &self.service {
            path.push_str("&service=");
            path.extend(utf8_percent_encode(service, NON_ALPHANUMERIC));
        }
        path
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_service_name_cannot_change_the_question() {
        let asked = StatsArgs {
            service: Some("a&scope=node #é".to_owned()),
            node: false,
            http: false,
            watch: None,
        };
        assert_eq!(
            asked.path(),
            "/v1/stats?scope=cluster&service=a%26scope%3Dnode%20%23%C3%A9"
        );
    }

    #[test]
    fn questions_are_asked_as_they_were_understood() {
        let asked = FlowsArgs {
            service: Some("a&limit=1".to_owned()),
            limit: 7,
        };
        assert_eq!(asked.path(), "/v1/flows?limit=7&service=a%26limit%3D1");
    }

    #[test]
    fn intervals_are_bounded() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
