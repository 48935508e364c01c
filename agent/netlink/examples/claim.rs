//! Puts the rules into this network namespace, for trials by hand:
//!
//!     claim replace NODE TUNNELPORT MTU [SET:VALUE[,VALUE…]]…
//!     claim check NODE TUNNELPORT MTU
//!     claim lease SECONDS
//!     claim show
//!     claim remove
//!
//! Values are written as `tcp/80`, `10.0.0.1/tcp/80`, `tcp/80/10.0.0.0/8`, `10.0.0.1=241.0.0.1`
//! and `77/tcp/80=0x51000001`; marks and indexes are numbers.

use lb_netlink::claim::{self, Allowed, Elements, Params, Port, Protocol, Service, Tag};
use lb_netlink::nft;
use lb_netlink::socket::Wire;
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut wire = Wire::open(NETLINK_NETFILTER)?;
    let mut out = std::io::stdout();
    match words.as_slice() {
        ["replace", node, port, mtu, sets @ ..] => {
            let mut elements = Elements::default();
            for set in sets {
                let (name, values) = set.split_once(':').ok_or("a set has values")?;
                for value in values.split(',') {
                    put(&mut elements, name, value)?;
                }
            }
            let params = params(node, port, mtu)?;
            let kept = claim::volatile(&mut wire)?;
            let changes = claim::replace(&params, &elements, kept);
            nft::apply(&mut wire, &changes)?;
            writeln!(out, "{} changes", changes.len())?;
        }
        ["check", node, port, mtu] => {
            let params = params(node, port, mtu)?;
            writeln!(out, "{}", claim::are_right(&mut wire, &params)?)?;
        }
        ["lease", seconds] => {
            let time = Duration::from_secs(seconds.parse()?);
            nft::apply(&mut wire, &claim::lease(time))?;
        }
        ["show"] => {
            writeln!(out, "{:#?}", Elements::read(&mut wire)?)?;
            writeln!(out, "lease {:?}", claim::lease_left(&mut wire)?)?;
            writeln!(out, "{:?}", claim::counts(&mut wire)?)?;
        }
        ["remove"] => nft::apply(&mut wire, &claim::removal())?,
        _ => return Err("see the head of this file".into()),
    }
    Ok(())
}

fn params(node: &str, port: &str, mtu: &str) -> Result<Params> {
    Ok(Params {
        node: node.parse()?,
        tunnel_port: port.parse()?,
        tunnel_mtu: mtu.parse()?,
        connections: 65_536,
    })
}

fn put(to: &mut Elements, name: &str, value: &str) -> Result<()> {
    let pair = || value.split_once('=').ok_or("it wants KEY=VALUE");
    match name {
        "owned" => drop(to.owned.insert(service(value)?)),
        "claims" => drop(to.claims.insert(service(value)?)),
        "answers" => drop(to.answers.insert(service(value)?)),
        "tracked" => drop(to.tracked.insert(service(value)?)),
        "marks" => drop(to.marks.insert(number(value)?)),
        "bridges" => drop(to.bridges.insert(number(value)?)),
        "published" => drop(to.published.insert(port(value)?)),
        "direct" => drop(to.direct.insert(port(value)?)),
        "restricted" => drop(to.restricted.insert(port(value)?)),
        "allowed" => {
            let at = value.match_indices('/').nth(1).ok_or("no network")?.0;
            let (port_part, network) = value.split_at(at);
            to.allowed.insert(Allowed {
                port: port(port_part)?,
                network: network.trim_start_matches('/').parse()?,
            });
        }
        "peers" => drop(to.peers.insert(pair()?.0.parse()?, pair()?.1.parse()?)),
        "origins" => drop(to.origins.insert(pair()?.0.parse()?, pair()?.1.parse()?)),
        "tags" => {
            let (tag, mark) = pair()?;
            let (id, of) = tag.split_once('/').ok_or("no port")?;
            let tag = Tag {
                id: number(id)?,
                port: port(of)?,
            };
            to.tags.insert(tag, number(mark)?);
        }
        _ => return Err(format!("no set {name}").into()),
    }
    Ok(())
}

fn number(text: &str) -> Result<u32> {
    Ok(match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16)?,
        None => text.parse()?,
    })
}

fn port(text: &str) -> Result<Port> {
    let (protocol, port) = text.split_once('/').ok_or("no port")?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => return Err(format!("no protocol {other}").into()),
    };
    let port = port.parse()?;
    Ok(Port { protocol, port })
}

fn service(text: &str) -> Result<Service> {
    let (address, of) = text.split_once('/').ok_or("no port")?;
    Ok(Service {
        address: address.parse()?,
        port: port(of)?,
    })
}
