//! Netlink attributes: a tree to send, and a view of bytes that were received.

use netlink_packet_core::{
    Emitable as _, NLA_F_NESTED, NLA_HEADER_SIZE, Nla, NlaBuffer, NlasIterator,
};
use std::time::Duration;

/// One attribute to send. Its value must be shorter than 64 KiB: whoever makes lists cuts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    kind: u16,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    Nested(Vec<Attribute>),
}

impl Attribute {
    pub(super) fn bytes(kind: u16, bytes: &[u8]) -> Self {
        let value = Value::Bytes(bytes.to_vec());
        Self { kind, value }
    }

    pub(super) fn u32(kind: u16, number: u32) -> Self {
        Self::bytes(kind, &number.to_be_bytes())
    }

    /// A time in milliseconds, 64 bits.
    pub(super) fn milliseconds(kind: u16, time: Duration) -> Self {
        let number = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::bytes(kind, &number.to_be_bytes())
    }

    /// Text, with a NUL at its end.
    pub(super) fn text(kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        let value = Value::Bytes(bytes);
        Self { kind, value }
    }

    pub(super) fn nested(kind: u16, inner: Vec<Self>) -> Self {
        let value = Value::Nested(inner);
        Self { kind, value }
    }
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match &self.value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Nested(inner) => inner.as_slice().buffer_len(),
        }
    }

    fn kind(&self) -> u16 {
        self.kind
    }

    // Not a bit of `kind`, because the crate's buffers take it away there.
    fn is_nested(&self) -> bool {
        matches!(self.value, Value::Nested(_))
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match &self.value {
            Value::Bytes(bytes) => buffer.copy_from_slice(bytes),
            Value::Nested(inner) => inner.as_slice().emit(buffer),
        }
    }
}

/// Attributes as they came. What does not parse is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All of one kind, in order.
    pub(super) fn all(self, kind: u16) -> impl Iterator<Item = &'a [u8]> {
        self.each()
            .filter(move |(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    pub(super) fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    pub(super) fn nested(self, kind: u16) -> Option<Self> {
        self.find(kind).map(Self)
    }

    pub(super) fn u32(self, kind: u16) -> Option<u32> {
        let bytes = self.find(kind)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    pub(super) fn u64(self, kind: u16) -> Option<u64> {
        let bytes = self.find(kind)?.try_into().ok()?;
        Some(u64::from_be_bytes(bytes))
    }

    pub(super) fn text(self, kind: u16) -> Option<&'a str> {
        self.texts(kind).next()
    }

    pub(super) fn texts(self, kind: u16) -> impl Iterator<Item = &'a str> {
        let without_nul = |bytes: &'a [u8]| bytes.strip_suffix(&[0]).unwrap_or(bytes);
        self.all(kind)
            .filter_map(move |bytes| std::str::from_utf8(without_nul(bytes)).ok())
    }

    fn each(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        NlasIterator::new(self.0).map_while(|nla: Result<NlaBuffer<&'a [u8]>, _>| {
            let nla = nla.ok()?;
            let length = usize::from(nla.length());
            let kind = nla.kind() & !NLA_F_NESTED;
            let value = nla.into_inner().get(NLA_HEADER_SIZE..length)?;
            Some((kind, value))
        })
    }
}
