//! What the operator decided.

/// UDP port of the tunnel between nodes, and TCP port of agent to agent: one number
/// to open in a firewall. It is the registered port of Geneve (RFC 8926, section 3.3).
pub const DEFAULT_PORT: u16 = 6081;

/// Validated settings of the pure core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tunnel (UDP) and agent-to-agent (TCP) port.
    pub port: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self { port: DEFAULT_PORT }
    }
}
