//! Many messages in one send, each with an answer of its own.

use crate::socket::{Error, NetlinkSocket};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use std::collections::BTreeMap;

/// How many answers are under way at most. Each takes about a KiB of the socket's receive buffer
/// (208 KiB by default), and one that finds no room is lost.
const AT_ONCE: usize = 64;

/// A message with its flags beyond `NLM_F_REQUEST` and `NLM_F_ACK`.
pub(super) type Step = (RouteNetlinkMessage, u16);

/// Sends all, in their order; returns which of them, by their place, the kernel refused. A refusal does not
/// stop those that follow. The messages of one send are carried out even if this process is killed meanwhile.
pub(super) fn all(
    socket: &mut NetlinkSocket,
    steps: impl IntoIterator<Item = Step>,
) -> Result<Vec<(usize, Errno)>, Error> {
    let mut refused = Vec::new();
    let mut bytes = Vec::new();
    let mut waiting = BTreeMap::new();
    for (place, (message, flags)) in steps.into_iter().enumerate() {
        let sequence = socket.next_seq();
        append(&mut bytes, sequence, message, flags);
        waiting.insert(sequence, place);
        if waiting.len() == AT_ONCE {
            flush(socket, &mut bytes, &mut waiting, &mut refused)?;
        }
    }
    flush(socket, &mut bytes, &mut waiting, &mut refused)?;
    Ok(refused)
}

fn append(bytes: &mut Vec<u8>, sequence: u32, message: RouteNetlinkMessage, flags: u16) {
    let mut header = NetlinkHeader::default();
    header.flags = flags | NLM_F_REQUEST | NLM_F_ACK;
    header.sequence_number = sequence;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    packet.finalize();
    let start = bytes.len();
    // Messages begin at multiples of four bytes.
    bytes.resize(start + packet.buffer_len().next_multiple_of(4), 0);
    if let Some(room) = bytes.get_mut(start..) {
        packet.serialize(room);
    }
}

fn flush(
    socket: &mut NetlinkSocket,
    bytes: &mut Vec<u8>,
    waiting: &mut BTreeMap<u32, usize>,
    refused: &mut Vec<(usize, Errno)>,
) -> Result<(), Error> {
    if waiting.is_empty() {
        return Ok(());
    }
    socket.send(bytes)?;
    bytes.clear();
    while !waiting.is_empty() {
        let answers = socket.recv()?;
        let mut rest = answers.as_slice();
        while !rest.is_empty() {
            let packet = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| Error::Garbled(error.to_string()))?;
            let length = usize::try_from(packet.header.length).unwrap_or(usize::MAX);
            rest = rest
                .get(length.checked_next_multiple_of(4).unwrap_or(length)..)
                .unwrap_or_default();
            if let NetlinkPayload::Error(error) = packet.payload
                // Others are left from a question that was given up.
                && let Some(place) = waiting.remove(&packet.header.sequence_number)
                && let Some(code) = error.code
            {
                refused.push((place, Errno::from_raw(code.get().wrapping_neg())));
            }
        }
    }
    Ok(())
}
