//! UDP: answers each datagram with who got it and from whom; one that says `bytes N` gets
//! that filled up with blanks to N bytes. What came last is kept, for `GET /datagrams`.
//!
//! The answer leaves from the address that was asked (`IP_PKTINFO`), which is
//! what lets a task with several interfaces answer as a client expects.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::whoami::Whoami;

/// Largest payload of a datagram over IPv4, in bytes.
const LARGEST: usize = 65_507;
/// Bytes of each datagram that are kept.
const AFFINITY: usize = 64;

pub(crate) fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(addr)?;
    socket.set_nonblocking(true)?;
    if addr.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    UdpSocket::from_std(socket)
}

pub(crate) async fn serve(
    socket: UdpSocket,
    whoami: Arc<Whoami>,
    mut stopping: watch::Receiver<bool>,
) {
    let Ok(bound) = socket.local_addr() else {
        return;
    };
    loop {
        let received = tokio::select! {
            received = socket.async_io(Interest::READABLE, || receive(&socket)) => received,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let Ok(datagram) = received else { continue };
        let local = SocketAddr::new(datagram.asked.unwrap_or(bound.ip()), bound.port());
        whoami.note(datagram.peer, local, &datagram.begin);
        let mut line = whoami.line(datagram.peer, local);
        let blanks = datagram.wanted.saturating_sub(line.len());
        line.extend(std::iter::repeat_n(' ', blanks));
        // A full queue loses the answer, as UDP may.
        let _ = socket
            .async_io(Interest::WRITABLE, || send(&socket, &line, &datagram))
            .await;
    }
}

struct Datagram {
    peer: SocketAddr,
    asked: Option<IpAddr>,
    info: Option<PacketInfo>,
    /// The first bytes of what it says.
    begin: String,
    /// So many bytes of answer, at the least.
    wanted: usize,
}

enum PacketInfo {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

fn receive(socket: &UdpSocket) -> io::Result<Datagram> {
    let mut payload = vec![0_u8; LARGEST];
    let mut iov = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut iov,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let info = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(PacketInfo::V4(info)),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(PacketInfo::V6(info)),
        _ => None,
    });
    let asked = info.as_ref().map(|info| match info {
        PacketInfo::V4(info) => IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()),
        PacketInfo::V6(info) => IpAddr::from(info.ipi6_addr.s6_addr),
    });
    let peer = message
        .address
        .as_ref()
        .and_then(socket_addr)
        .ok_or(io::ErrorKind::InvalidData)?;
    let length = message.bytes;
    let begin = payload.get(..length.min(AFFINITY)).unwrap_or_default();
    let begin = String::from_utf8_lossy(begin).into_owned();
    let wanted = std::str::from_utf8(payload.get(..length).unwrap_or_default())
        .ok()
        .and_then(|text| text.strip_prefix("bytes "))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0);
    Ok(Datagram {
        peer,
        asked,
        info,
        begin,
        wanted: wanted.min(LARGEST),
    })
}

fn send(socket: &UdpSocket, line: &str, datagram: &Datagram) -> io::Result<()> {
    let mut control = Vec::new();
    let (v4, v6);
    match datagram.info {
        // The interface is left to routing: only the source address matters.
        Some(PacketInfo::V4(info)) => {
            v4 = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: info.ipi_addr,
                ..info
            };
            control.push(ControlMessage::Ipv4PacketInfo(&v4));
        }
        Some(PacketInfo::V6(info)) => {
            v6 = libc::in6_pktinfo {
                ipi6_ifindex: 0,
                ..info
            };
            control.push(ControlMessage::Ipv6PacketInfo(&v6));
        }
        None => {}
    }
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(line.as_bytes())],
        &control,
        MsgFlags::empty(),
        Some(&SockaddrStorage::from(datagram.peer)),
    )?;
    Ok(())
}

fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage
        .as_sockaddr_in()
        .map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|a| SocketAddr::from((a.ip(), a.port())))
    })
}
