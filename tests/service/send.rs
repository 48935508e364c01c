//! `whoami send`: datagrams, or raw packets, as a program in a container sends them. What a container
//! may do by itself is what its neighbours have to bear.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

#[derive(Args)]
pub(crate) struct Send {
    /// The payloads are whole IPv4 packets, headers included (needs CAP_NET_RAW).
    #[arg(long)]
    raw: bool,
    /// Each from a socket of its own, bound to this port and the following ones.
    #[arg(long, value_name = "PORT")]
    from: Option<u16>,
    /// So often.
    #[arg(long, default_value_t = 1, value_name = "N")]
    count: u16,
    /// Where to; for raw packets only the address counts.
    to: SocketAddrV4,
    /// Payloads in hexadecimal; each is sent once.
    #[arg(required = true, value_parser = bytes)]
    payloads: Vec<Bytes>,
}

#[derive(Clone)]
struct Bytes(Vec<u8>);

/// Sends, and says how much of it the kernel took. What it refuses is no error: that is for
/// whoever asked to judge.
#[expect(clippy::print_stdout, reason = "speaks to whoever runs it")]
pub(crate) fn run(send: &Send) -> Result<()> {
    let (mut taken, mut refused) = (0_u32, 0_u32);
    for turn in 0..send.count {
        for Bytes(payload) in &send.payloads {
            let sent = if send.raw {
                raw(*send.to.ip(), payload)
            } else {
                let port = send.from.map_or(0, |first| first.saturating_add(turn));
                datagram(port, send.to, payload)
            };
            match sent {
                Ok(()) => taken += 1,
                // Somebody else has the port, or the hosts' rules are against it.
                Err(_) => refused += 1,
            }
        }
    }
    println!("sent {taken}, refused {refused}");
    Ok(())
}

fn datagram(port: u16, to: SocketAddrV4, payload: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket.send_to(payload, to).map(drop)
}

fn raw(to: Ipv4Addr, packet: &[u8]) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::empty(),
        // Whole packets, and none to receive.
        SockProtocol::Raw,
    )?;
    let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
    sendto(socket.as_raw_fd(), packet, &to, MsgFlags::empty())?;
    Ok(())
}

fn bytes(text: &str) -> Result<Bytes> {
    ensure!(text.len().is_multiple_of(2), "an odd number of digits");
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).context("no hexadecimal digits")?;
        u8::from_str_radix(pair, 16).context("no hexadecimal digits")
    });
    pairs.collect::<Result<_>>().map(Bytes)
}
