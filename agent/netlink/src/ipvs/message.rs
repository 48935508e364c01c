//! Messages of generic netlink, as a command and attributes: what every value here is made
//! of. Numbers in attributes are in the machine's byte order, but where a value says so.

use netlink_packet_core::{
    DecodeError, Emitable, NLA_F_NESTED, Nla, NlasIterator, ParseableParametrized,
};
use netlink_packet_generic::constants::{
    CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_ID_CTRL,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

/// `IPVS_GENL_NAME`.
const NAME: &str = "IPVS";
/// `IPVS_GENL_VERSION`. The controller of families doesn't look at its own.
const VERSION: u8 = 1;

/// `IPVS_CMD_…` of `linux/ip_vs.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    SetConfig = 12,
    GetConfig = 13,
    GetInfo = 15,
}

/// `IPVS_CMD_ATTR_…`: the outermost attributes.
pub(super) const SERVICE: u16 = 1;
pub(super) const DEST: u16 = 2;
pub(super) const TIMEOUT_TCP: u16 = 4;
pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
pub(super) const TIMEOUT_UDP: u16 = 6;

/// `IPVS_INFO_ATTR_…`: the outermost attributes of the answer to `GetInfo`.
pub(super) const INFO_VERSION: u16 = 1;
pub(super) const INFO_CONN_TAB_SIZE: u16 = 2;

/// A command and its outermost attributes. What the kernel answers may have any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) command: u8,
    pub(super) attributes: Vec<Attribute>,
}

impl Message {
    /// A message to the generic netlink family of this number.
    pub(super) fn new(
        family: u16,
        command: Command,
        attributes: Vec<Attribute>,
    ) -> GenlMessage<Self> {
        Self::with(family, command as u8, attributes)
    }

    /// Asks the controller for the number of IPVS; the kernel loads the module.
    pub(super) fn family() -> GenlMessage<Self> {
        let name = Attribute::text(CTRL_ATTR_FAMILY_NAME, NAME);
        Self::with(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, vec![name])
    }

    /// The family's number in the controller's answer.
    pub(super) fn family_id(&self) -> Option<u16> {
        self.find(CTRL_ATTR_FAMILY_ID).and_then(as_u16)
    }

    fn with(family: u16, command: u8, attributes: Vec<Attribute>) -> GenlMessage<Self> {
        let header = GenlHeader {
            cmd: command,
            version: VERSION,
        };
        let message = Self {
            command,
            attributes,
        };
        GenlMessage::new(header, message, family)
    }

    /// The value of the first attribute of this kind.
    pub(super) fn find(&self, kind: u16) -> Option<&[u8]> {
        let found = self.attributes.iter().find(|one| one.kind == kind)?;
        Some(&found.value)
    }
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        NAME
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(bytes: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = each(bytes)?
            .into_iter()
            .map(|(kind, value)| Attribute::new(kind, value.to_vec()))
            .collect();
        Ok(Self {
            command: header.cmd,
            attributes,
        })
    }
}

/// An attribute, encoded. Its kind is without the flag of nesting, which the kernel itself
/// doesn't set in what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    kind: u16,
    nested: bool,
    value: Vec<u8>,
}

impl Attribute {
    pub(super) fn new(kind: u16, value: Vec<u8>) -> Self {
        Self {
            kind,
            nested: false,
            value,
        }
    }

    pub(super) fn u8(kind: u16, value: u8) -> Self {
        Self::new(kind, vec![value])
    }

    pub(super) fn u16(kind: u16, value: u16) -> Self {
        Self::new(kind, value.to_ne_bytes().to_vec())
    }

    /// In network byte order.
    pub(super) fn be16(kind: u16, value: u16) -> Self {
        Self::new(kind, value.to_be_bytes().to_vec())
    }

    pub(super) fn u32(kind: u16, value: u32) -> Self {
        Self::new(kind, value.to_ne_bytes().to_vec())
    }

    /// With the zero at its end.
    pub(super) fn text(kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        Self::new(kind, value)
    }

    /// Attributes in an attribute.
    pub(super) fn nest(kind: u16, inner: &[Self]) -> Self {
        let mut value = vec![0; inner.buffer_len()];
        inner.emit(&mut value);
        Self {
            kind,
            nested: true,
            value,
        }
    }

    #[cfg(test)]
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        self.value.len()
    }

    fn kind(&self) -> u16 {
        match self.nested {
            true => self.kind | NLA_F_NESTED,
            false => self.kind,
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.value);
    }
}

/// The attributes in these bytes, with their kinds.
///
/// # Errors
/// When one is longer than what is left.
pub(super) fn each(bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, DecodeError> {
    let mut found = Vec::new();
    for attribute in NlasIterator::new(bytes) {
        let attribute = attribute?;
        let end = usize::from(attribute.length());
        let value = attribute.into_inner().get(4..end).unwrap_or_default();
        found.push((attribute.kind(), value));
    }
    Ok(found)
}

/// A number, if it has that length. One of another length is as good as not told.
pub(super) fn as_u8(value: &[u8]) -> Option<u8> {
    value.try_into().ok().map(u8::from_ne_bytes)
}

/// See [`as_u8`].
pub(super) fn as_u16(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_ne_bytes)
}

/// See [`as_u8`]. In network byte order.
pub(super) fn as_be16(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

/// See [`as_u8`].
pub(super) fn as_u32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// See [`as_u8`]. Four bytes or eight.
pub(super) fn as_u64(value: &[u8]) -> Option<u64> {
    let long = value.try_into().ok().map(u64::from_ne_bytes);
    long.or_else(|| as_u32(value).map(u64::from))
}
