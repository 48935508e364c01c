//! A socket's address as the hooks of cgroups see it, on its way into or out of a system call.
#![expect(unsafe_code, reason = "the context's fields are reached by pointer")]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::bpf_get_current_uid_gid;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_set_retval};
use aya_ebpf::programs::SockAddrContext;
use lb_abi::settings::NO_USER;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::socket_lb::{Address, Socket, ipv4, mapped};

/// The address in a call of a process.
pub(crate) struct Named {
    context: SockAddrContext,
}

/// One field. Volatile: the verifier wants each field read and written by itself, whole.
macro_rules! read {
    ($context:expr, $($field:tt)+) => {
        // SAFETY: the kernel's own context, whose fields are there to be read.
        unsafe { (&raw const (*$context).$($field)+).read_volatile() }
    };
}

macro_rules! write {
    ($context:expr, $value:expr, $($field:tt)+) => {
        // SAFETY: as above; the kernel takes writes of these fields.
        unsafe { (&raw mut (*$context).$($field)+).write_volatile($value) }
    };
}

impl Named {
    #[inline(always)]
    pub(crate) fn new(context: SockAddrContext) -> Self {
        Self { context }
    }

    #[inline(always)]
    fn raw(&self) -> *mut bpf_sock_addr {
        self.context.sock_addr
    }

    /// The socket, if it is TCP or UDP. `source` is what a datagram goes out from.
    #[inline(always)]
    pub(crate) fn calling(&self, source: Be32) -> Option<Socket> {
        let proto = match read!(self.raw(), protocol) {
            protocol if protocol == u32::from(TCP) => TCP,
            protocol if protocol == u32::from(UDP) => UDP,
            _ => return None,
        };
        // SAFETY: the context is the kernel's own.
        let network = unsafe { bpf_get_netns_cookie(self.context.as_ptr()) };
        Some(Socket {
            cookie: self.cookie(),
            network,
            user: user(),
            bound: source,
            proto,
        })
    }

    /// Cookie of the socket.
    #[inline(always)]
    pub(crate) fn cookie(&self) -> u64 {
        // SAFETY: the context is the kernel's own.
        unsafe { bpf_get_socket_cookie(self.context.as_ptr()) }
    }

    /// The IPv4 address that the socket is bound to.
    #[inline(always)]
    pub(crate) fn bound(&self) -> Be32 {
        let socket = read!(self.raw(), __bindgen_anon_1.sk);
        be32(read!(socket, src_ip4))
    }

    /// The IPv4 address that the datagram goes out from.
    #[inline(always)]
    pub(crate) fn source(&self) -> Be32 {
        be32(read!(self.raw(), msg_src_ip4))
    }

    #[inline(always)]
    pub(crate) fn port(&self) -> Be16 {
        let [first, second, ..] = read!(self.raw(), user_port).to_ne_bytes();
        Be16::from_bytes([first, second])
    }

    #[inline(always)]
    pub(crate) fn address4(&self) -> Address {
        mapped(be32(read!(self.raw(), user_ip4)))
    }

    #[inline(always)]
    pub(crate) fn address6(&self) -> Address {
        [
            be32(read!(self.raw(), user_ip6[0])),
            be32(read!(self.raw(), user_ip6[1])),
            be32(read!(self.raw(), user_ip6[2])),
            be32(read!(self.raw(), user_ip6[3])),
        ]
    }

    /// Return value of a hook by which the call fails: `ECONNREFUSED`.
    #[inline(always)]
    pub(crate) fn refuse(&self) -> i32 {
        /// Of include/uapi/asm-generic/errno.h.
        const ECONNREFUSED: i32 = 111;
        // SAFETY: a plain number. Kernels before 5.18 don't have the helper in these hooks.
        unsafe { bpf_set_retval(-ECONNREFUSED) };
        0
    }

    /// Another IPv4 address and port. What is not IPv4 can't be said to an IPv4 socket.
    #[inline(always)]
    pub(crate) fn rename4(&mut self, address: Address, port: Be16) {
        if let Some(address) = ipv4(address) {
            write!(self.raw(), ne(address), user_ip4);
            self.rename_port(port);
        }
    }

    /// Another IPv6 address and port.
    #[inline(always)]
    pub(crate) fn rename6(&mut self, address: Address, port: Be16) {
        write!(self.raw(), ne(address[0]), user_ip6[0]);
        write!(self.raw(), ne(address[1]), user_ip6[1]);
        write!(self.raw(), ne(address[2]), user_ip6[2]);
        write!(self.raw(), ne(address[3]), user_ip6[3]);
        self.rename_port(port);
    }

    #[inline(always)]
    fn rename_port(&mut self, port: Be16) {
        let [first, second] = port.to_bytes();
        write!(
            self.raw(),
            u32::from_ne_bytes([first, second, 0, 0]),
            user_port
        );
    }
}

/// Number of the user as whom the process runs that makes the call, in the host's own count: these hooks run in it.
#[inline(always)]
fn user() -> u32 {
    // The group is in the upper half.
    let user = bpf_get_current_uid_gid() & u64::from(u32::MAX);
    u32::try_from(user).unwrap_or(NO_USER)
}

#[inline(always)]
fn be32(number: u32) -> Be32 {
    Be32::from_bytes(number.to_ne_bytes())
}

#[inline(always)]
fn ne(address: Be32) -> u32 {
    u32::from_ne_bytes(address.to_bytes())
}
