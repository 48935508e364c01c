//! The operator's configuration.

use std::ops::RangeInclusive;

/// UDP port of the tunnel between nodes, and TCP port of agent to agent: one number
/// to open in a firewall. It is the registered port of Geneve (RFC 8926, section 3.3).
pub const DEFAULT_PORT: u16 = 6081;

/// Ports that labels may publish: none that only root may listen on (ssh, DNS, …).
pub const DEFAULT_LABEL_PORTS: RangeInclusive<u16> = 1024..=u16::MAX;

/// Number of the user as whom the HTTP router runs: nobody else's by any convention, and not 65534 (`nobody`), as whom others run, too.
pub const DEFAULT_ROUTER_USER: u32 = 60_081;

/// TCP ports on which the HTTP router serves routes: without TLS, and by TLS.
pub const ROUTER_PORTS: [u16; 2] = [80, 443];

/// Validated settings of the pure core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tunnel (UDP) and agent-to-agent (TCP) port.
    pub port: u16,
    /// Ports that labels may publish; none: no port at all. Who may create a service decides
    /// about labels, and Docker does not look at them.
    pub label_ports: Option<RangeInclusive<u16>>,
    /// Processes on nodes may call every task by its own address, whatever its service's labels say.
    pub task_addresses: bool,
    /// An HTTP router runs on each node: services that declare routes are served, whether or not they publish ports.
    pub router: bool,
    /// Number of the user as whom it runs: no other user's processes reach tasks by addresses that HTTP routes alone open.
    pub router_user: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            label_ports: Some(DEFAULT_LABEL_PORTS),
            task_addresses: false,
            router: false,
            router_user: DEFAULT_ROUTER_USER,
        }
    }
}
