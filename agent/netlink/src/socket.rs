//! A netlink socket on which one side speaks at a time: a request, then all of its answer.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};
use std::io;
use thiserror::Error;

/// The kernel answers in milliseconds; a lost answer must not block its caller.
const PATIENCE_SECONDS: i64 = 5;
/// Largest datagram of a dump, in bytes.
const DATAGRAM: usize = 64 * 1024;
/// Bytes of the send buffer that the kernel needs beside the datagram itself.
const OVERHEAD: usize = 1024;

/// Error of a request.
#[derive(Debug, Error)]
pub enum Error {
    /// No socket, or it failed.
    #[error("the netlink socket failed")]
    Socket(#[source] io::Error),
    /// The kernel refused.
    #[error("{0}")]
    Refused(#[source] Errno),
    /// Malformed reply from the kernel.
    #[error("the kernel's answer can't be read: {0}")]
    Garbled(String),
}

impl Error {
    /// The kernel's error number, if it refused.
    #[must_use]
    pub fn refused(&self) -> Option<Errno> {
        match self {
            Self::Refused(errno) => Some(*errno),
            _ => None,
        }
    }
}

/// A socket of one netlink family in this network namespace.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
}

impl NetlinkSocket {
    /// Opens a socket of `protocol`, as in `netlink(7)`: `NETLINK_GENERIC` and so on.
    ///
    /// # Errors
    /// When the kernel has no such family, or no room.
    pub fn open(protocol: isize) -> Result<Self, Error> {
        let mut socket = Socket::new(protocol).map_err(Error::Socket)?;
        let patience = TimeVal::seconds(PATIENCE_SECONDS);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)
            .map_err(|errno| Error::Socket(errno.into()))?;
        socket.bind_auto().map_err(Error::Socket)?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(Error::Socket)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// From now on the kernel refuses questions with more in them than it looks at, and what a question for a
    /// list says (a route's protocol and so on) bounds the list (`NETLINK_GET_STRICT_CHK`).
    ///
    /// # Errors
    /// When the kernel has no such thing (before 4.20).
    pub fn strict(&mut self) -> Result<(), Error> {
        self.socket
            .set_netlink_get_strict_chk(true)
            .map_err(Error::Socket)
    }

    /// Sends one request and returns the messages of the answer. `flags` are those beyond
    /// `NLM_F_REQUEST` and `NLM_F_ACK`, which says where the answer ends.
    ///
    /// # Errors
    /// When the kernel refuses, or can't be understood.
    pub fn request<T>(&mut self, message: T, flags: u16) -> Result<Vec<T>, Error>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
    {
        let sequence = self.send_message(message, flags | NLM_F_REQUEST | NLM_F_ACK)?;
        self.recv_answer(sequence)
    }

    /// Requests a dump: all objects of a kind.
    ///
    /// # Errors
    /// When the kernel refuses, can't be understood, or what is listed changed meanwhile
    /// (`EINTR`: ask again).
    pub fn dump<T>(&mut self, message: T) -> Result<Vec<T>, Error>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
    {
        let sequence = self.send_message(message, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.recv_answer(sequence)
    }

    /// The number of the next message: its answer bears it, too.
    pub fn next_seq(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Makes room for one datagram of so many bytes to the kernel.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn make_room(&self, bytes: usize) -> Result<(), Error> {
        let failed = |errno: Errno| Error::Socket(errno.into());
        let have = getsockopt(&self.socket, sockopt::SndBuf).map_err(failed)?;
        let want = bytes.saturating_add(OVERHEAD);
        if want <= have {
            return Ok(());
        }
        // Only the host's root may have more than the system's limit.
        setsockopt(&self.socket, sockopt::SndBufForce, &want)
            .or_else(|_| setsockopt(&self.socket, sockopt::SndBuf, &want))
            .map_err(failed)
    }

    /// Sends bytes that are whole messages.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.socket.send(bytes, 0).map(drop).map_err(Error::Socket)
    }

    /// The next datagram of the kernel's.
    ///
    /// # Errors
    /// When none comes within some seconds, or some were lost (`ENOBUFS`).
    pub fn recv(&mut self) -> Result<Vec<u8>, Error> {
        let mut buffer = Vec::with_capacity(DATAGRAM);
        self.socket.recv(&mut buffer, 0).map_err(Error::Socket)?;
        Ok(buffer)
    }

    fn send_message<T: NetlinkSerializable>(
        &mut self,
        message: T,
        flags: u16,
    ) -> Result<u32, Error> {
        let sequence = self.next_seq();
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.send(&bytes)?;
        Ok(sequence)
    }

    fn recv_answer<T: NetlinkDeserializable>(&mut self, sequence: u32) -> Result<Vec<T>, Error> {
        let mut told = Vec::new();
        let mut interrupted = false;
        loop {
            for packet in packets::<T>(&self.recv()?)? {
                // Left from a question that was given up.
                if packet.header.sequence_number != sequence {
                    continue;
                }
                interrupted |= packet.header.flags & NLM_F_DUMP_INTR != 0;
                match packet.payload {
                    NetlinkPayload::InnerMessage(message) => told.push(message),
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok(told),
                        Some(code) => {
                            return Err(Error::Refused(Errno::from_raw(code.get().wrapping_neg())));
                        }
                    },
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(Error::Refused(Errno::from_raw(done.code.wrapping_neg())));
                    }
                    NetlinkPayload::Done(_) if interrupted => {
                        return Err(Error::Refused(Errno::EINTR));
                    }
                    NetlinkPayload::Done(_) => return Ok(told),
                    _ => {}
                }
            }
        }
    }
}

/// The messages in a datagram of the kernel's.
///
/// # Errors
/// When there are bytes that are no messages.
pub fn packets<T: NetlinkDeserializable>(bytes: &[u8]) -> Result<Vec<NetlinkMessage<T>>, Error> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let packet = NetlinkMessage::<T>::deserialize(rest)
            .map_err(|error| Error::Garbled(error.to_string()))?;
        let length = usize::try_from(packet.header.length).unwrap_or(usize::MAX);
        // Messages begin at multiples of four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        all.push(packet);
    }
    Ok(all)
}
