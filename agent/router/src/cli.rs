//! Command line of the router.

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
    /// Seconds for which open connections may go on after a signal to stop.
    #[arg(long, env = "SWARMLB_ROUTER_GRACE", default_value_t = 55)]
    pub grace_seconds: u32,
    /// Form of the log.
    #[arg(long, env = "SWARMLB_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
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
            limits: Limits::default(),
            trusted: self.trusted_proxies.clone(),
        }
    }
}
