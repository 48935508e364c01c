//! The laboratory's network: a switch, nodes and a client, each in a namespace.
//!
//! One flat segment 10.77.0.0/24, as a cloud's private network is: node `i` has
//! 10.77.0.`i` on `eth0`, the client 10.77.0.100, and the switch 10.77.0.254, which
//! is everybody's default route. The cables behave as wires do: checksums are
//! finished before a frame is on them, and both ends take native XDP.
//!
//! Nothing of it is in the root namespace, not even for a moment.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use crate::netns::{Netns, NetnsGuard};
use crate::{shell, xdp};

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// The switch's address, default route of nodes and client.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// More nodes would run into the client's address.
pub const MAX_NODES: u8 = 99;

/// The address of node `number`, counted from 1.
#[must_use]
pub fn node_addr(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// The namespace of node `number` in the laboratory named `prefix`.
#[must_use]
pub fn node_netns(prefix: &str, number: u8) -> Netns {
    Netns::named(&format!("{prefix}-node{number}"))
}

/// The client's namespace in the laboratory named `prefix`.
#[must_use]
pub fn client_netns(prefix: &str) -> Netns {
    Netns::named(&format!("{prefix}-client"))
}

/// The namespace of the switch of the laboratory named `prefix`. Its bridge `br0` has a port
/// named after each node, and `client`.
#[must_use]
pub fn switch_netns(prefix: &str) -> Netns {
    Netns::named(&format!("{prefix}-switch"))
}

/// The network, standing. It goes with this value, unless kept.
#[derive(Debug)]
pub struct Topology {
    /// The client's namespace.
    pub client: NetnsGuard,
    /// The nodes' namespaces, node 1 first.
    pub nodes: Vec<NetnsGuard>,
    /// The switch: a bridge `br0` with a port named after each node and the client.
    pub switch: NetnsGuard,
}

impl Topology {
    /// Builds switch, client and `nodes` nodes with links of `mtu` bytes. All names
    /// begin with `prefix`, so that several networks can stand side by side.
    pub fn up(prefix: &str, nodes: u8, mtu: u16) -> Result<Self> {
        anyhow::ensure!(
            (1..=MAX_NODES).contains(&nodes),
            "1 to {MAX_NODES} nodes, not {nodes}"
        );
        let switch = Netns::create(switch_netns(prefix).name())?;
        switch.ip(&format!("link add br0 mtu {mtu} type bridge"))?;
        switch.ip(&format!("addr add {GATEWAY}/24 dev br0"))?;
        switch.ip("link set dev br0 up")?;
        let plug = |netns: &Netns, port: &str, addr| {
            cable(&switch, netns, port, addr, mtu)
                .with_context(|| format!("the cable of {}", netns.name()))
        };
        let client = Netns::create(client_netns(prefix).name())?;
        plug(&client, "client", CLIENT)?;
        let nodes = (1..=nodes)
            .map(|number| {
                let node = Netns::create(node_netns(prefix, number).name())?;
                plug(&node, &format!("node{number}"), node_addr(number))?;
                Ok(node)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            client,
            nodes,
            switch,
        })
    }

    /// Leaves the network standing; whoever knows the prefix removes it.
    pub fn keep(self) {
        self.client.keep();
        self.switch.keep();
        for node in self.nodes {
            node.keep();
        }
    }
}

/// A cable between two namespaces, each with its device and address of a /24, that behaves as
/// a wire does. It goes with either end.
pub fn wire(near: (&Netns, &str, Ipv4Addr), far: (&Netns, &str, Ipv4Addr)) -> Result<()> {
    let ((near, device, addr), (far, far_device, far_addr)) = (near, far);
    let far_name = far.name();
    near.ip(&format!(
        "link add {device} type veth peer name {far_device} netns {far_name}"
    ))?;
    for (netns, device, addr) in [(near, device, addr), (far, far_device, far_addr)] {
        netns.ip(&format!("addr add {addr}/24 dev {device}"))?;
        netns.ip(&format!("link set dev {device} up"))?;
        shell::stdout(netns.command("ethtool").args(["-K", device, "tx", "off"]))
            .with_context(|| format!("finishing checksums of {device}"))?;
    }
    xdp::attach(far, far_device, &xdp::PASS)
}

/// One cable from `eth0` in `host` to the switch's port `port`.
fn cable(switch: &Netns, host: &Netns, port: &str, addr: Ipv4Addr, mtu: u16) -> Result<()> {
    let (host_name, switch_name) = (host.name(), switch.name());
    host.ip(&format!(
        "link add eth0 mtu {mtu} type veth peer name {port} mtu {mtu} netns {switch_name}"
    ))?;
    switch.ip(&format!("link set dev {port} master br0 up"))?;
    host.ip(&format!("addr add {addr}/24 dev eth0"))?;
    host.ip("link set dev eth0 up")?;
    host.ip(&format!("route add default via {GATEWAY}"))?;
    let mut checksums = host.command("ethtool");
    shell::stdout(checksums.args(["-K", "eth0", "tx", "off"]))
        .with_context(|| format!("finishing checksums in {host_name}"))?;
    xdp::attach(switch, port, &xdp::PASS)
}
