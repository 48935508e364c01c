//! Processes on the node itself that call a published port.
//!
//! Their packets to an own address would never leave the host, so the socket is
//! pointed at a task before there is a packet: at a task of this node directly,
//! at one elsewhere by its node's address, and [`crate::egress`] then sees to it
//! that the packets reach that very task. Whom the process asked for is kept, and
//! told whenever it wants to know who it talks to.
//!
//! Only `new` is counted for tasks of this node: their packets pass none of our hooks. And a
//! datagram socket that is connected has not sent anything yet, and may never: resolvers connect
//! one to each address that they find, to see which of their own it would speak from (RFC 6724).
//! What goes to a task elsewhere is counted when it goes; to one here it is not.

use crate::packet::Tables;
use crate::schedule::{NOBODY, Scheduled, next, target};
use lb_abi::service::{ADDRESSED, Backend, Frontend, LOCAL, Port, ROUTED};
use lb_abi::settings::TASKS_BY_IPV4;
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue, in_tasks_ipv4, task_at};
use lb_abi::{Be16, Be32, TCP};

/// An IPv6 address, in words; an IPv4 one as `::ffff:a.b.c.d`.
pub type Address = [Be32; 4];

/// An IPv4 address as an IPv6 one.
#[inline(always)]
#[must_use]
pub const fn mapped(address: Be32) -> Address {
    [Be32::ZERO, Be32::ZERO, Be32::new(0xffff), address]
}

/// The IPv4 address behind an IPv6 one.
#[inline(always)]
#[must_use]
pub fn ipv4(address: Address) -> Option<Be32> {
    let [first, second, third, last] = address;
    (first.get() == 0 && second.get() == 0 && third.get() == 0xffff).then_some(last)
}

/// The socket of a process.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// Its cookie.
    pub cookie: u64,
    /// Cookie of its network namespace.
    pub network: u64,
    /// Number of the user as whom the process runs that calls, as the host counts users.
    pub user: u32,
    /// The IPv4 address that it is bound to; 0: any.
    pub bound: Be32,
    /// Its IP protocol.
    pub proto: u8,
}

/// Is it an address that stands for a task? A call that [`connect`] points at no task is refused then: such an address must not
/// reach a network, where nobody has it.
#[inline(always)]
pub fn names_task<T: Tables>(tables: &T, address: Address) -> bool {
    task_at(address).is_some() || by_ipv4(tables, address).is_some()
}

/// The key of the task that an address stands for. The task may be gone.
#[inline(always)]
fn task_named<T: Tables>(tables: &T, address: Address) -> Option<u64> {
    match task_at(address) {
        Some(task) => Some(task),
        None => tables.task_by_address(by_ipv4(tables, address)?),
    }
}

/// The address, if it is one of those that stand for tasks where the kernel has no IPv6.
#[inline(always)]
fn by_ipv4<T: Tables>(tables: &T, address: Address) -> Option<Be32> {
    let address = ipv4(address)?;
    if !in_tasks_ipv4(address) {
        return None;
    }
    let settings = tables.settings()?;
    (settings.flags & TASKS_BY_IPV4 != 0).then_some(address)
}

/// Points a socket that is being connected at the next task in turn, or at the task whose own
/// address it names: returns the address and port to connect to instead. None: whatever it
/// is, it is not ours.
#[inline(always)]
pub fn connect<T: Tables>(
    tables: &T,
    socket: &Socket,
    address: Address,
    number: Be16,
) -> Option<(Be32, Be16)> {
    if let Some(task) = task_named(tables, address) {
        return own(tables, socket, address, number, task);
    }
    let (port, frontend, client) = frontend(tables, socket, address, number)?;
    let (task, backend) = new(tables, &port, &frontend, client)?;
    let to = point(
        tables, socket, address, &port, &frontend, task, &backend, None,
    )?;
    if socket.proto == TCP {
        tables.count_new(task);
    }
    Some(to)
}

/// Points a socket at one task, at the port that this listens on, where the socket's user may call the task. Only
/// TCP: what HTTP routers speak.
#[inline(always)]
fn own<T: Tables>(
    tables: &T,
    socket: &Socket,
    address: Address,
    number: Be16,
    task: u64,
) -> Option<(Be32, Be16)> {
    if !ours(tables, socket) || loopback(socket.bound) || socket.proto != TCP {
        return None;
    }
    let backend = tables.backend(task)?;
    if !may_call(tables, socket, &backend) {
        return None;
    }
    let call = SockRevNatKey::new(socket.cookie, backend.address, number);
    let called = SockRevNatValue {
        task,
        address,
        port: number,
        own: 1,
        zero: [0; 5],
    };
    if !tables.remember_sock_rev_nat(&call, &called) {
        return None;
    }
    tables.count_new(task);
    Some((backend.address, number))
}

/// May the socket's user call the task itself? All may where its service, or the operator, says so. What is open for HTTP routes
/// is open to their router alone: whoever else called the task would pass by what the routes ask of clients.
#[inline(always)]
fn may_call<T: Tables>(tables: &T, socket: &Socket, backend: &Backend) -> bool {
    if backend.flags & ADDRESSED != 0 {
        return true;
    }
    backend.flags & ROUTED != 0
        && tables
            .settings()
            .is_some_and(|settings| settings.router_user == socket.user)
}

/// Is it a socket of the host's own? Containers and other hosts' namespaces have a
/// 127.0.0.1 of their own.
#[inline(always)]
pub fn ours<T: Tables>(tables: &T, socket: &Socket) -> bool {
    tables
        .settings()
        .is_some_and(|settings| settings.network != 0 && settings.network == socket.network)
}

/// Points a datagram of a socket that is not connected at a task: the one that the
/// socket's earlier datagrams to the port went to, as long as that lives.
#[inline(always)]
pub fn send<T: Tables>(
    tables: &T,
    socket: &Socket,
    address: Address,
    number: Be16,
) -> Option<(Be32, Be16)> {
    let (port, frontend, client) = frontend(tables, socket, address, number)?;
    let same = SockRevNatKey::new(socket.cookie, Be32::ZERO, number);
    let known = tables
        .sock_rev_nat(&same)
        .and_then(|called| Some((called.task, tables.backend(called.task)?)));
    if let Some((task, backend)) = known {
        return point(
            tables, socket, address, &port, &frontend, task, &backend, None,
        );
    }
    let (task, backend) = new(tables, &port, &frontend, client)?;
    let to = point(
        tables,
        socket,
        address,
        &port,
        &frontend,
        task,
        &backend,
        Some(same),
    )?;
    if backend.locality == LOCAL {
        tables.count_new(task);
    }
    Some(to)
}

/// Is a datagram that a socket of IPv6 sends to `number` at `address`, unconnected, for a published port of this node? It
/// can't be pointed at a task: those have IPv4 addresses only, and the kernel refuses to send to one from here
/// (`udpv6_sendmsg` in net/ipv6/udp.c: `ENOTSUPP`). Connected sockets are served, and so is `::ffff:127.0.0.1`.
#[inline(always)]
pub fn unserved<T: Tables>(tables: &T, socket: &Socket, address: Address, number: Be16) -> bool {
    // Where nobody takes it, a process of the host may listen there.
    let takes = |(_, frontend, _): &(Port, Frontend, _)| frontend.count != 0;
    let called = frontend(tables, socket, address, number);
    called.is_some_and(|called| takes(&called)) && tables.leased()
}

/// The task of a new flow.
#[inline(always)]
fn new<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    client: (Be32, Be16),
) -> Option<(u64, Backend)> {
    if !tables.leased() {
        return None;
    }
    let Scheduled::To(task, backend) = next(tables, port, frontend, client, true, NOBODY) else {
        return None;
    };
    Some((task, backend))
}

/// Address and port that the process asked for, where its socket talks to `number` at `address`.
#[inline(always)]
pub fn asked<T: Tables>(
    tables: &T,
    socket: u64,
    address: Address,
    number: Be16,
) -> Option<(Address, Be16)> {
    let called = tables.sock_rev_nat(&SockRevNatKey::new(socket, ipv4(address)?, number))?;
    Some((called.address, called.port))
}

/// The frontend that is called, and by whom, if this call is ours to answer.
#[inline(always)]
fn frontend<T: Tables>(
    tables: &T,
    socket: &Socket,
    address: Address,
    number: Be16,
) -> Option<(Port, Frontend, (Be32, Be16))> {
    let settings = tables.settings()?;
    if !ours(tables, socket) {
        return None;
    }
    // Bound there, it can't be heard from outside the host.
    if loopback(socket.bound) || !here(tables, address) {
        return None;
    }
    let port = Port::new(number, socket.proto);
    let frontend = tables.frontend(&port)?;
    // It has no port of its own yet; its cookie tells it from others as well.
    #[expect(clippy::cast_possible_truncation, reason = "some bits that differ")]
    let client = (settings.node, Be16::new(socket.cookie as u16));
    Some((port, frontend, client))
}

/// Is it an address of this node on which published ports are answered? "Any
/// address" means the loopback to who connects to it.
#[inline(always)]
fn here<T: Tables>(tables: &T, address: Address) -> bool {
    if let Some(address) = ipv4(address) {
        return address.get() == 0 || loopback(address) || tables.is_vip(address);
    }
    let [first, second, third, last] = address;
    first.get() == 0 && second.get() == 0 && third.get() == 0 && last.get() <= 1
}

#[inline(always)]
fn loopback(address: Be32) -> bool {
    address.get() >> 24 == 127
}

/// Where the task's packets are sent, with what was asked for remembered.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "inlined into two callers; a struct would be copied to the BPF stack"
)]
fn point<T: Tables>(
    tables: &T,
    socket: &Socket,
    address: Address,
    port: &Port,
    frontend: &Frontend,
    task: u64,
    backend: &Backend,
    also: Option<SockRevNatKey>,
) -> Option<(Be32, Be16)> {
    let to = if backend.locality == LOCAL {
        target(tables, port, frontend, task)
    } else {
        port.number
    };
    let call = SockRevNatKey::new(socket.cookie, backend.address, to);
    let called = SockRevNatValue {
        task,
        address,
        port: port.number,
        own: 0,
        zero: [0; 5],
    };
    if let Some(also) = also
        && !tables.remember_sock_rev_nat(&also, &called)
    {
        return None;
    }
    if tables.sock_rev_nat(&call) != Some(called) && !tables.remember_sock_rev_nat(&call, &called) {
        return None;
    }
    Some((backend.address, to))
}
