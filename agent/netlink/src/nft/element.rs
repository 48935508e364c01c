//! Elements of sets and maps.

use super::attribute::{Attribute, Attributes};
use super::encode::value;
use super::expression::Word;
use super::uapi::*;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A key: its fields one after the other, each but a single one padded to whole words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of these bytes, as a set of a single field has it.
    #[must_use]
    pub fn single(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// An address.
    #[must_use]
    pub fn address(self, address: Ipv4Addr) -> Self {
        self.word(address.octets())
    }

    /// A number of one byte.
    #[must_use]
    pub fn byte(self, number: u8) -> Self {
        self.word([number, 0, 0, 0])
    }

    /// A port.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        self.word([high, low, 0, 0])
    }

    /// A number of 32 bits, in this machine's order.
    #[must_use]
    pub fn number(self, number: u32) -> Self {
        self.word(number.to_ne_bytes())
    }

    fn word(mut self, word: Word) -> Self {
        self.0.extend(word);
        self
    }

    /// The words of a key of exactly so many.
    #[must_use]
    pub fn words<const N: usize>(&self) -> Option<[Word; N]> {
        let (words, rest) = self.0.as_chunks::<4>();
        rest.is_empty().then_some(words)?.try_into().ok()
    }

    /// The key's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its key; of a range, the lowest.
    pub key: Key,
    /// The highest key of a range, included.
    pub last: Option<Key>,
    /// Value in a map, as many bytes as the map's values have.
    pub value: Option<Vec<u8>>,
    /// Lifetime, if it differs from the set's.
    pub timeout: Option<Duration>,
    /// Time left; of an element to add, less than `timeout`.
    pub left: Option<Duration>,
    /// What the kernel keeps with it and looks at never, 256 bytes at most: attributes of a byte for the type, one for
    /// the length, and the rest. `nft` shows those of types that it knows, 0 and 1.
    pub userdata: Userdata,
}

/// User data, which `Debug` does not show either.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Userdata(pub Vec<u8>);

impl fmt::Debug for Userdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Userdata({} bytes)", self.0.len())
    }
}

impl Element {
    /// An element of a plain set.
    #[must_use]
    pub fn key(key: Key) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// An element of a map.
    #[must_use]
    pub fn pair(key: Key, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key,
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// An element of a set of ranges.
    #[must_use]
    pub fn range(first: Key, last: Key) -> Self {
        Self {
            key: first,
            last: Some(last),
            ..Self::default()
        }
    }

    /// An element of a set whose elements expire.
    #[must_use]
    pub fn expiring(key: Key, timeout: Duration) -> Self {
        Self {
            key,
            timeout: Some(timeout),
            ..Self::default()
        }
    }

    /// The whole element, to be added.
    pub(super) fn attribute(&self) -> Attribute {
        let mut inner = self.place();
        let bytes = self.value.as_ref();
        inner.extend(bytes.map(|bytes| value(NFTA_SET_ELEM_DATA, bytes)));
        inner.extend(
            self.timeout
                .map(|it| Attribute::milliseconds(NFTA_SET_ELEM_TIMEOUT, it)),
        );
        inner.extend(
            self.left
                .map(|it| Attribute::milliseconds(NFTA_SET_ELEM_EXPIRATION, it)),
        );
        if !self.userdata.0.is_empty() {
            inner.push(Attribute::bytes(NFTA_SET_ELEM_USERDATA, &self.userdata.0));
        }
        Attribute::nested(NFTA_LIST_ELEM, inner)
    }

    /// The element's identity, to be deleted.
    pub(super) fn name(&self) -> Attribute {
        Attribute::nested(NFTA_LIST_ELEM, self.place())
    }

    fn place(&self) -> Vec<Attribute> {
        let mut inner = vec![value(NFTA_SET_ELEM_KEY, self.key.bytes())];
        if let Some(last) = &self.last {
            inner.push(value(NFTA_SET_ELEM_KEY_END, last.bytes()));
        }
        inner
    }

    /// An element as the kernel tells it; none without a key.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let inner = Attributes::of(bytes);
        let data = |kind| inner.nested(kind)?.find(NFTA_DATA_VALUE);
        let time = |kind| inner.u64(kind).map(Duration::from_millis);
        Some(Self {
            key: Key::single(data(NFTA_SET_ELEM_KEY)?),
            last: data(NFTA_SET_ELEM_KEY_END).map(Key::single),
            value: data(NFTA_SET_ELEM_DATA).map(<[u8]>::to_vec),
            timeout: time(NFTA_SET_ELEM_TIMEOUT),
            left: time(NFTA_SET_ELEM_EXPIRATION),
            userdata: Userdata(
                inner
                    .find(NFTA_SET_ELEM_USERDATA)
                    .unwrap_or_default()
                    .to_vec(),
            ),
        })
    }
}
