//! Puts the rules into this network namespace, for trials by hand:
//!
//!     ruleset replace NODE TUNNELPORT MTU [SET:VALUE[,VALUE…]]…
//!     ruleset check NODE TUNNELPORT MTU
//!     ruleset lease SECONDS
//!     ruleset show
//!     ruleset remove
//!
//! Values are written as `tcp/80`, `10.0.0.1/tcp/80`, `tcp/80/10.0.0.0/8`, `10.0.0.1=241.0.0.1`
//! and `77/tcp/80=0x51000001`; marks and indexes are numbers.

use agent::kernel::ipvs::ruleset::{self, Allowed, Elements, Params, Service, Tag};
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_netlink::nft;
use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut socket = NetlinkSocket::open(NETLINK_NETFILTER)?;
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
            let kept = ruleset::volatile(&mut socket)?;
            let changes = ruleset::replace(&params, &elements, kept);
            nft::apply(&mut socket, &changes)?;
            writeln!(out, "{} changes", changes.len())?;
        }
        ["check", node, port, mtu] => {
            let params = params(node, port, mtu)?;
            writeln!(out, "{}", ruleset::is_current(&mut socket, &params)?)?;
        }
        ["lease", seconds] => {
            let time = Duration::from_secs(seconds.parse()?);
            nft::apply(&mut socket, &ruleset::lease(time))?;
        }
        ["show"] => {
            writeln!(out, "{:#?}", Elements::read(&mut socket)?)?;
            writeln!(out, "lease {:?}", ruleset::lease_left(&mut socket)?)?;
            writeln!(out, "{:?}", ruleset::counts(&mut socket)?)?;
        }
        ["remove"] => nft::apply(&mut socket, &ruleset::removal())?,
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
        "vips" => drop(to.vips.insert(service(value)?)),
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
        "tcp" => TCP,
        "udp" => UDP,
        other => return Err(format!("no protocol {other}").into()),
    };
    Ok(Port::new(Be16::new(port.parse()?), protocol))
}

fn service(text: &str) -> Result<Service> {
    let (address, of) = text.split_once('/').ok_or("no port")?;
    Ok(Service {
        address: address.parse()?,
        port: port(of)?,
    })
}
