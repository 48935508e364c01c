//! The ruleset of the IPVS path against the kernel of this machine, in network namespaces that end with the tests.

// All of it is test code; the mark tells clippy so, also for what is outside of #[test].
#[cfg(test)]
mod arrival;
#[cfg(test)]
mod cookie;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod generation;
#[cfg(test)]
mod inside;
#[cfg(test)]
mod listed;
#[cfg(test)]
#[path = "../../netlink/tests/kernel/namespace.rs"]
mod namespace;
#[cfg(test)]
mod neighbour;
#[cfg(test)]
mod nft;
#[cfg(test)]
mod order;
#[cfg(test)]
mod outer;
#[cfg(test)]
mod own_datagrams;
#[cfg(test)]
mod own_ports;
#[cfg(test)]
mod port_remap;
#[cfg(test)]
mod returned;
#[cfg(test)]
mod room;
#[cfg(test)]
mod ruleset;
#[cfg(test)]
mod tunnel;
