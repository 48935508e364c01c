//! Many changes at once: the kernel takes all of them, or none.
//!
//! Packets see the rules as they were before or as they are after, nothing between.

use super::change::Change;
use super::message::Message;
use super::uapi::{NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END};
use crate::socket::{self, NetlinkSocket, packets};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use nix::errno::Errno;
use thiserror::Error;

/// Why the kernel's tables could not be read or changed.
#[derive(Debug, Error)]
pub enum Error {
    /// No talking to the kernel.
    #[error(transparent)]
    Socket(#[from] socket::Error),
    /// The kernel refused a change, and with it the whole batch.
    #[error("the kernel refuses to {change}")]
    Refused {
        /// The first change that it refused.
        change: Box<Change>,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// The kernel refused a batch as a whole.
    #[error("the kernel refuses a batch of changes to nf_tables")]
    Whole(#[source] Errno),
    /// The kernel's tables changed again and again while they were listed.
    #[error("{0} changes too often to be listed")]
    Restless(String),
}

impl Error {
    /// The kernel's error number, if it refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Socket(error) => error.refused(),
            Self::Refused { errno, .. } | Self::Whole(errno) => Some(*errno),
            Self::Restless(_) => None,
        }
    }
}

/// Makes all of these changes, in this order, or none.
///
/// # Errors
/// When the kernel refuses one of them, or can't be talked to. If its answer is lost, the
/// changes may have been made.
pub fn apply(socket: &mut NetlinkSocket, changes: &[Change]) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let batch = Batch::of(changes, || socket.next_seq());
    socket.make_room(batch.bytes.len())?;
    socket.send(&batch.bytes)?;
    let mut refused = None;
    loop {
        for packet in packets::<Message>(&socket.recv()?)? {
            let NetlinkPayload::Error(answer) = packet.payload else {
                continue;
            };
            let number = packet.header.sequence_number;
            let errno = answer
                .code
                .map(|code| Errno::from_raw(code.get().wrapping_neg()));
            if let Some(errno) = errno {
                // Here it says what goes wrong with the whole.
                if number == batch.begin {
                    return Err(Error::Whole(errno));
                }
                if let Some(change) = batch.change(number)
                    && refused.is_none()
                {
                    let change = Box::new(change.clone());
                    refused = Some(Error::Refused { change, errno });
                }
            }
            // The last message is always answered, and after all others.
            if number == batch.last() {
                return refused.map_or(Ok(()), Err);
            }
        }
    }
}

/// The bytes of such a batch. The same changes from the same `first` number are the same bytes.
#[must_use]
pub fn encode(changes: &[Change], first: u32) -> Vec<u8> {
    let mut numbers = first..;
    Batch::of(changes, || numbers.next().unwrap_or_default()).bytes
}

struct Batch<'a> {
    bytes: Vec<u8>,
    /// Number of the message that begins it.
    begin: u32,
    /// Numbers of the others, and what they do.
    parts: Vec<(u32, &'a Change)>,
}

impl<'a> Batch<'a> {
    fn of(changes: &'a [Change], mut number: impl FnMut() -> u32) -> Self {
        let begin = number();
        let mut batch = Self {
            bytes: Vec::new(),
            begin,
            parts: Vec::new(),
        };
        batch.push(Message::around(NFNL_MSG_BATCH_BEGIN), 0, begin);
        let messages = changes.iter().zip(1..).flat_map(|(change, id)| {
            let messages = change.messages(id);
            messages
                .into_iter()
                .map(move |(message, flags)| (change, message, flags))
        });
        let mut messages = messages.peekable();
        while let Some((change, message, flags)) = messages.next() {
            let number = number();
            // Refusals are always told. Consent is asked for once: a thousand answers would
            // not fit into the socket's buffer.
            let ask = if messages.peek().is_none() {
                NLM_F_ACK
            } else {
                0
            };
            batch.push(message, flags | ask, number);
            batch.parts.push((number, change));
        }
        batch.push(Message::around(NFNL_MSG_BATCH_END), 0, number());
        batch
    }

    fn push(&mut self, message: Message, flags: u16, number: u32) {
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = number;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let start = self.bytes.len();
        self.bytes.resize(start + packet.buffer_len(), 0);
        packet.serialize(self.bytes.get_mut(start..).unwrap_or_default());
    }

    fn change(&self, number: u32) -> Option<&'a Change> {
        let mut parts = self.parts.iter();
        parts
            .find(|(part, _)| *part == number)
            .map(|(_, change)| *change)
    }

    /// Number of the last one that does something.
    fn last(&self) -> u32 {
        self.parts.last().map_or(self.begin, |(number, _)| *number)
    }
}
