//! One message of `nfnetlink`: a family and attributes.

use super::attribute::{Attribute, Attributes};
use super::uapi::SUBSYSTEM;
use netlink_packet_core::{
    Emitable as _, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable,
};
use thiserror::Error;

/// `struct nfgenmsg`: family, version, number of a resource (big-endian).
const HEADER: usize = 4;

/// Error of bytes that are no message of `nfnetlink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a message of {0} bytes is too short")]
pub struct ReadError(usize);

/// A message of `nf_tables`, as it is sent or as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    kind: u16,
    family: u8,
    /// The subsystem in the messages around a batch; elsewhere 0.
    resource: u16,
    attributes: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Sent(Vec<Attribute>),
    Received(Vec<u8>),
}

impl Message {
    /// `kind` is one of the `NFT_MSG_…`.
    pub(super) fn new(kind: u16, family: u8, attributes: Vec<Attribute>) -> Self {
        Self {
            kind: SUBSYSTEM << 8 | kind,
            family,
            resource: 0,
            attributes: Content::Sent(attributes),
        }
    }

    /// The begin or the end of a batch.
    pub(super) fn around(kind: u16) -> Self {
        Self {
            kind,
            family: super::uapi::NFPROTO_UNSPEC,
            resource: SUBSYSTEM,
            attributes: Content::Sent(Vec::new()),
        }
    }

    /// The message's type, `NFT_MSG_…`.
    pub(super) fn is(&self, kind: u16) -> bool {
        self.kind == SUBSYSTEM << 8 | kind
    }

    /// Attributes of a received message; empty in messages to send.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        match &self.attributes {
            Content::Sent(_) => Attributes::of(&[]),
            Content::Received(bytes) => Attributes::of(bytes),
        }
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        HEADER
            + match &self.attributes {
                Content::Sent(attributes) => attributes.as_slice().buffer_len(),
                Content::Received(bytes) => bytes.len(),
            }
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let [high, low] = self.resource.to_be_bytes();
        if let Some((header, rest)) = buffer.split_first_chunk_mut::<HEADER>() {
            *header = [self.family, 0, high, low];
            match &self.attributes {
                Content::Sent(attributes) => attributes.as_slice().emit(rest),
                Content::Received(bytes) => rest.copy_from_slice(bytes),
            }
        }
    }
}

impl NetlinkDeserializable for Message {
    type Error = ReadError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, ReadError> {
        let too_short = ReadError(payload.len());
        let ([family, _, high, low], rest) =
            payload.split_first_chunk::<HEADER>().ok_or(too_short)?;
        Ok(Self {
            kind: header.message_type,
            family: *family,
            resource: u16::from_be_bytes([*high, *low]),
            attributes: Content::Received(rest.to_vec()),
        })
    }
}
