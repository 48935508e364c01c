//! Command line, and the environment variables that stand for its options.

mod values;

pub use values::{LabelPorts, Lease};

use clap::{Args, Parser, Subcommand, ValueEnum};
use lb_core::model::config::{Config, DEFAULT_LABEL_PORTS, DEFAULT_PORT, DEFAULT_ROUTER_USER};
use lb_core::table_sizes::TableSizes;
use std::path::PathBuf;

/// Ingress load balancer for Docker Swarm: answers every published port on this node from the kernel.
#[derive(Debug, Parser)]
#[command(name = "swarmlb", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the agent on this node
    Run(Box<Run>),
    /// Ask the engine on behalf of the agent, which then needs no Docker socket
    EngineFilter(Filter),
    /// Remove everything of swarmlb's from this node's kernel
    Clean(Bpffs),
}

/// Settings of every process that talks to the engine.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Docker's socket
    #[arg(
        long,
        value_name = "PATH",
        env = "SWARMLB_DOCKER_SOCKET",
        default_value = "/run/docker.sock"
    )]
    pub docker_socket: PathBuf,
    /// How to write logs
    #[arg(long, value_enum, env = "SWARMLB_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Settings of the filter before the engine.
#[derive(Clone, Debug, Args)]
pub struct Filter {
    /// The engine, and the logs.
    #[command(flatten)]
    pub common: Common,
    /// Socket on which the agent asks: its own --docker-socket
    #[arg(
        long,
        value_name = "PATH",
        env = "SWARMLB_ENGINE_SOCKET",
        default_value = "/run/swarmlb/engine.sock"
    )]
    pub socket: PathBuf,
}

/// Where pinned objects are.
#[derive(Clone, Debug, Args)]
pub struct Bpffs {
    /// BPF file system that programs and maps are pinned in
    #[arg(
        long,
        value_name = "DIR",
        env = "SWARMLB_BPFFS",
        default_value = "/sys/fs/bpf"
    )]
    pub bpffs: PathBuf,
}

/// Settings of the agent. None has to be given on an ordinary node.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Where pinned objects are.
    #[command(flatten)]
    pub bpffs: Bpffs,
    /// The engine, and the logs.
    #[command(flatten)]
    pub common: Common,
    /// The Swarm's certificates of this node
    #[arg(
        long,
        value_name = "DIR",
        env = "SWARMLB_CERTIFICATES",
        default_value = "/var/lib/docker/swarm/certificates"
    )]
    pub certificates: PathBuf,
    /// Socket on which lbctl asks this agent
    #[arg(
        long,
        value_name = "PATH",
        env = "SWARMLB_SOCKET",
        default_value = "/run/swarmlb/agent.sock"
    )]
    pub socket: PathBuf,
    /// UDP port of the tunnel between nodes, and TCP port of agent to agent; the same on all nodes
    #[arg(long, env = "SWARMLB_PORT", default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Network devices that clients come in on, the one towards the other nodes first
    /// [default: the one with this node's Swarm address, and all others with an address]
    #[arg(
        long,
        value_name = "DEVICE,…",
        env = "SWARMLB_UPLINK",
        value_delimiter = ','
    )]
    pub uplink: Vec<String>,
    /// The host's root cgroup, version 2 [default: /sys/fs/cgroup or /sys/fs/cgroup/unified]
    #[arg(long, value_name = "DIR", env = "SWARMLB_CGROUP")]
    pub cgroup: Option<PathBuf>,
    /// Id of the agent's own service: when that is removed, so is everything of swarmlb's on the node
    #[arg(long, value_name = "ID", env = "SWARMLB_SERVICE")]
    pub service: Option<String>,
    /// What answers published ports: ebpf, ipvs, or auto (eBPF where the kernel can run it)
    #[arg(long, value_enum, env = "SWARMLB_DATAPATH", default_value_t = Choice::Auto)]
    pub datapath: Choice,
    /// For how long the datapath takes new connections without an agent: SECONDS, never (no
    /// limit), or auto (300 where the stock mesh could take over, else no limit)
    #[arg(
        long,
        value_name = "LEASE",
        env = "SWARMLB_LEASE",
        default_value = "auto"
    )]
    pub lease: Lease,
    /// TCP connections that this node remembers, by eBPF: the sizes of its tables, which all keep their proportion. 100000 take 72 MB of
    /// the kernel's memory, 1048576 take 581 MB. [default: from the memory of the machine, 16384 to 176128, 24 to 117 MB]
    #[arg(
        long,
        value_name = "NUMBER",
        env = "SWARMLB_FLOWS",
        value_parser = clap::value_parser!(u32).range(i64::from(TableSizes::LEAST_FLOWS)..=i64::from(TableSizes::MOST_FLOWS))
    )]
    pub flows: Option<u32>,
    /// Ports that services may publish by label: FIRST-LAST, or off (none); the same on all nodes.
    /// Ports published by --publish are not affected
    #[arg(
        long,
        value_name = "RANGE",
        env = "SWARMLB_LABELS_PUBLISH",
        default_value_t = LabelPorts(Some(DEFAULT_LABEL_PORTS))
    )]
    pub labels_publish: LabelPorts,
    /// Whether processes on nodes may call every task behind a published port by its own address, and not
    /// only those whose service has the label swarmlb.task-address=true; the same on all nodes
    #[arg(
        long,
        value_name = "BOOL",
        env = "SWARMLB_TASK_ADDRESSES",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub task_addresses: bool,
    /// Addresses by which processes of this node call tasks, by eBPF. For tests: `ipv4` takes the host for one without IPv6
    #[arg(
        long,
        value_enum,
        env = "SWARMLB_TASK_ADDRESS_FAMILY",
        default_value_t = AddressFamily::Auto,
        hide = true
    )]
    pub task_address_family: AddressFamily,
    /// Whether an HTTP router runs on each node (deploy/router.yml), which gets sockets and routes from this agent;
    /// the same on all nodes
    #[arg(long, value_enum, env = "SWARMLB_ROUTER", default_value_t = Switch::Off)]
    pub router: Switch,
    /// Socket on which the HTTP router asks this agent; its directory is the router's alone
    #[arg(
        long,
        value_name = "PATH",
        env = "SWARMLB_ROUTER_SOCKET",
        default_value = "/run/swarmlb/router/agent.sock"
    )]
    pub router_socket: PathBuf,
    /// Number of the user as whom the HTTP router runs, and nobody else: no other user is answered on that socket, or reaches tasks
    /// by addresses that HTTP routes alone open
    #[arg(
        long,
        value_name = "UID",
        env = "SWARMLB_ROUTER_USER",
        default_value_t = DEFAULT_ROUTER_USER
    )]
    pub router_user: u32,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// Family of the addresses by which processes of the node call tasks, by eBPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AddressFamily {
    /// IPv6 where the host has it, else IPv4
    Auto,
    /// IPv4
    Ipv4,
}

/// What answers published ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// eBPF where the kernel can run it, else IPVS
    Auto,
    /// Programs at XDP, tc and the root cgroup
    Ebpf,
    /// The kernel's own virtual services
    Ipvs,
}

/// How to write logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Run {
    /// What the pure core needs of it.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            port: self.port,
            label_ports: self.labels_publish.0.clone(),
            task_addresses: self.task_addresses,
            router: self.router == Switch::On,
            router_user: self.router_user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_has_to_be_given() {
        let cli = Cli::try_parse_from(["swarmlb", "run"]).unwrap();
        let Verb::Run(run) = cli.verb else {
            panic!("not run")
        };
        assert_eq!(
            (run.config(), run.lease, run.common.log_format),
            (Config::default(), Lease::Auto, LogFormat::Text)
        );
    }

    #[test]
    fn labels_may_publish_a_range_of_ports_or_none() {
        for (word, ports) in [
            ("off", None),
            ("80-80", Some(80..=80)),
            ("1-65535", Some(1..=65535)),
        ] {
            let cli = Cli::try_parse_from(["swarmlb", "run", "--labels-publish", word]).unwrap();
            let Verb::Run(run) = cli.verb else {
                panic!("not run")
            };
            assert_eq!(run.labels_publish.to_string(), word);
            assert_eq!(run.config().label_ports, ports);
        }
    }

    #[test]
    fn the_sizes_of_the_tables_are_a_number_of_flows_or_nothing() {
        for (line, flows) in [
            (["swarmlb", "run"].as_slice(), None),
            (&["swarmlb", "run", "--flows", "16384"], Some(16_384)),
            (&["swarmlb", "run", "--flows", "4194304"], Some(4_194_304)),
        ] {
            let Verb::Run(run) = Cli::try_parse_from(line).unwrap().verb else {
                panic!("not run")
            };
            assert_eq!(run.flows, flows);
        }
    }

    #[test]
    fn the_router_is_off_unless_it_is_switched_on() {
        for (line, expected) in [
            (["swarmlb", "run"].as_slice(), (false, 60_081)),
            (&["swarmlb", "run", "--router", "on"], (true, 60_081)),
            (&["swarmlb", "run", "--router-user=999"], (false, 999)),
        ] {
            let Verb::Run(run) = Cli::try_parse_from(line).unwrap().verb else {
                panic!("not run")
            };
            let config = run.config();
            assert_eq!((config.router, config.router_user), expected);
        }
    }

    #[test]
    fn a_host_is_taken_for_one_without_ipv6_only_where_that_is_asked_for() {
        for (line, family) in [
            (["swarmlb", "run"].as_slice(), AddressFamily::Auto),
            (
                &["swarmlb", "run", "--task-address-family", "ipv4"],
                AddressFamily::Ipv4,
            ),
        ] {
            let Verb::Run(run) = Cli::try_parse_from(line).unwrap().verb else {
                panic!("not run")
            };
            assert_eq!(run.task_address_family, family);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            ["swarmlb", "run", "--port", "0"],
            ["swarmlb", "run", "--port", "65536"],
            ["swarmlb", "run", "--lease", "4"],
            ["swarmlb", "run", "--lease", "5m"],
            ["swarmlb", "run", "--router", "yes"],
            ["swarmlb", "run", "--flows", "16383"],
            ["swarmlb", "run", "--flows", "4194305"],
            ["swarmlb", "run", "--flows", "256k"],
            ["swarmlb", "run", "--task-address-family", "ipv6"],
            ["swarmlb", "run", "--labels-publish", ""],
            ["swarmlb", "run", "--labels-publish", "0-9"],
            ["swarmlb", "run", "--labels-publish", "9-8"],
            ["swarmlb", "run", "--labels-publish", "1024-65536"],
        ] {
            assert!(Cli::try_parse_from(line).is_err(), "{line:?}");
        }
        assert!(Cli::try_parse_from(["swarmlb", "run", "--no-such-flag"]).is_err());
    }
}
