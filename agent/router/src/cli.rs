//! Command line of the router.

use crate::access_log::Format;
use crate::limits::Limits;
use crate::run::Settings;
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// The HTTP router of a node: takes requests to tasks, by the routes that services declare.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "swarmlb-router", version, about)]
pub struct Cli {
    /// The agent's socket for its router.
    #[arg(
        long,
        env = "SWARMLB_ROUTER_SOCKET",
        default_value = "/run/swarmlb/router/agent.sock"
    )]
    pub agent_socket: PathBuf,
    /// Threads that serve; by default one for each processor.
    #[arg(long, env = "SWARMLB_ROUTER_WORKERS", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// Directories with certificates and their keys, PEM; Docker mounts a service's secrets in the first one.
    #[arg(
        long = "certificates",
        env = "SWARMLB_ROUTER_CERTIFICATES",
        value_delimiter = ':',
        default_values = ["/run/secrets"]
    )]
    pub certificates: Vec<PathBuf>,
    /// Networks of other proxies (10.0.0.0/8), whose X-Forwarded-* are believed.
    #[arg(
        long,
        env = "SWARMLB_ROUTER_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// Tasks get `Forwarded` (RFC 7239), too.
    #[arg(long, env = "SWARMLB_ROUTER_FORWARDED", default_value_t = false, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub forwarded: bool,
    /// Networks of balancers whose connections begin with a header of the PROXY protocol, version 1 or 2.
    #[arg(
        long,
        env = "SWARMLB_ROUTER_PROXY_PROTOCOL",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub proxy_protocol: Vec<IpNet>,
    /// Seconds for which open connections may go on after a signal to stop.
    #[arg(long, env = "SWARMLB_ROUTER_GRACE", default_value_t = 55)]
    pub grace_seconds: u32,
    /// What clients and tasks may take their time for.
    #[command(flatten)]
    pub timeouts: Timeouts,
    /// Requests at a time of a thread; more are refused (503).
    #[arg(long, env = "SWARMLB_ROUTER_REQUESTS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// MiB of memory that the router may hold; by default as many as its container or unit, or the machine, has.
    #[arg(long, env = "SWARMLB_ROUTER_MEMORY_MIB", value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..))]
    pub memory_mib: Option<u32>,
    /// Form of the access log, on standard output: a line for each request.
    #[arg(long, env = "SWARMLB_ROUTER_ACCESS_LOG", value_enum, default_value_t = Format::Off)]
    pub access_log: Format,
    /// Lines of the access log have the queries of requests, which may hold secrets.
    #[arg(long, env = "SWARMLB_ROUTER_ACCESS_LOG_QUERY", default_value_t = false, action = clap::ArgAction::Set,
          value_name = "true|false")]
    pub access_log_query: bool,
    /// Form of the log.
    #[arg(long, env = "SWARMLB_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What clients and tasks may take their time for, in seconds.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Timeouts {
    /// Seconds for a client's first request to come, and for a request that it sends when its connection is being ended.
    #[arg(long, env = "SWARMLB_ROUTER_HEAD_TIMEOUT", default_value_t = 15, value_parser = seconds())]
    pub head_timeout: u32,
    /// Seconds for the handshake of TLS.
    #[arg(long, env = "SWARMLB_ROUTER_HANDSHAKE_TIMEOUT", default_value_t = 10, value_parser = seconds())]
    pub handshake_timeout: u32,
    /// Seconds between two requests of a connection.
    #[arg(long, env = "SWARMLB_ROUTER_KEEP_ALIVE", default_value_t = 75, value_parser = seconds())]
    pub keep_alive: u32,
    /// Seconds without a byte of a body, neither from the client nor from the task.
    #[arg(long, env = "SWARMLB_ROUTER_BODY_TIMEOUT", default_value_t = 60, value_parser = seconds())]
    pub body_timeout: u32,
    /// Seconds in which a client takes nothing of an answer.
    #[arg(long, env = "SWARMLB_ROUTER_SEND_TIMEOUT", default_value_t = 30, value_parser = seconds())]
    pub send_timeout: u32,
    /// Seconds for the head of a task's answer, once it has the whole request.
    #[arg(long, env = "SWARMLB_ROUTER_ANSWER_TIMEOUT", default_value_t = 60, value_parser = seconds())]
    pub answer_timeout: u32,
}

/// From a second to a day.
fn seconds() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=86_400)
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Cli {
    /// What the router is started with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            agent: self.agent_socket.clone(),
            workers: self.workers.map_or(processors.min(64), usize::from),
            certificates: self.certificates.clone(),
            grace: Duration::from_secs(self.grace_seconds.into()),
            limits: Limits {
                requests: usize::try_from(self.requests).unwrap_or(usize::MAX),
                ..self.timeouts.limits()
            },
            memory: self.memory_mib.map(|mib| u64::from(mib) << 20),
            trusted: self.trusted_proxies.clone(),
            forwarded: self.forwarded,
            proxy_protocol: self.proxy_protocol.clone(),
            access_log: self.access_log,
            access_log_query: self.access_log_query,
        }
    }
}

impl Timeouts {
    /// The limits with these timeouts.
    fn limits(self) -> Limits {
        let seconds = |number: u32| Duration::from_secs(number.into());
        Limits {
            first_request: seconds(self.head_timeout),
            handshake: seconds(self.handshake_timeout),
            keep_alive: seconds(self.keep_alive),
            body_idle: seconds(self.body_timeout),
            taking: seconds(self.send_timeout),
            response_head: seconds(self.answer_timeout),
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use crate::limits::Limits;
    use clap::Parser as _;

    #[test]
    fn the_options_have_the_defaults_of_the_limits() {
        let settings = Cli::parse_from(["swarmlb-router"]).settings();
        assert_eq!(settings.limits, Limits::default());
        for refused in ["0", "-1", "86401", "x"] {
            let option = format!("--send-timeout={refused}");
            assert!(Cli::try_parse_from(["swarmlb-router", &option]).is_err());
        }
    }

    #[test]
    fn forwarded_is_written_where_it_is_asked_for() {
        for (arguments, expected) in [
            (&[][..], false),
            (&["--forwarded"], true),
            (&["--forwarded", "true"], true),
            (&["--forwarded=false"], false),
            (&["--forwarded", "--requests", "1"], true),
        ] {
            let line = [&["swarmlb-router"], arguments].concat();
            let settings = Cli::parse_from(&line).settings();
            assert_eq!(settings.forwarded, expected, "{line:?}");
        }
        assert!(Cli::try_parse_from(["swarmlb-router", "--forwarded=x"]).is_err());
    }
}
