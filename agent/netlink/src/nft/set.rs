//! Sets and maps: keys of one or more fields, with or without a value.

use super::attribute::Attribute;
use super::message::Message;
use super::names::SetName;
use super::uapi::*;
use std::time::Duration;

/// A field of a key, or a value. The kernel knows lengths only; the rest is for `nft list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 4 bytes.
    Address,
    /// `IPPROTO_…`, one byte.
    Transport,
    /// 2 bytes, big-endian.
    Port,
    /// A number of 32 bits of this machine.
    Mark,
    /// Index of a device: a number of 32 bits of this machine.
    Device,
    /// `NFPROTO_…`, one byte.
    Network,
}

impl Field {
    /// Bytes without padding.
    #[must_use]
    pub fn length(self) -> u8 {
        match self {
            Self::Address | Self::Mark | Self::Device => 4,
            Self::Port => 2,
            Self::Transport | Self::Network => 1,
        }
    }

    /// `nft`'s number of the type.
    fn number(self) -> u32 {
        match self {
            Self::Network => 2,
            Self::Address => 7,
            Self::Transport => 12,
            Self::Port => 13,
            Self::Mark => 19,
            Self::Device => 20,
        }
    }
}

/// Kind of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// Its elements are put and taken by messages.
    Plain,
    /// Elements may have an end in time.
    Expiring,
    /// Elements are ranges in each field: from one key to another. Keys of several fields only.
    /// The kernel refuses ranges that begin or end within another (`ENOTEMPTY`).
    Ranges,
    /// Rules put elements in, too.
    Dynamic {
        /// Lifetime of elements.
        timeout: Duration,
        /// Largest number of elements.
        size: u32,
        /// How often what has expired is looked for, in all of the room that the set has: it is not found in
        /// between, but takes room.
        gc_interval: Duration,
    },
}

/// A set, or a map if there is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: SetName,
    /// Fields of the key.
    pub key: Vec<Field>,
    /// Type of a map's values; `None` for a set.
    pub value: Option<Field>,
    /// Kind of the set.
    pub kind: SetKind,
}

impl Set {
    /// `id` is unlike that of all others of the batch.
    pub(super) fn message(&self, id: u32) -> Message {
        let u32 = Attribute::u32;
        let (number, length) = self.key_format();
        let mut attributes = vec![
            Attribute::text(NFTA_SET_TABLE, self.name.table.name),
            Attribute::text(NFTA_SET_NAME, self.name.name),
            u32(NFTA_SET_FLAGS, self.flags()),
            u32(NFTA_SET_KEY_TYPE, number),
            u32(NFTA_SET_KEY_LEN, length),
        ];
        if let Some(value) = self.value {
            attributes.push(u32(NFTA_SET_DATA_TYPE, value.number()));
            attributes.push(u32(NFTA_SET_DATA_LEN, u32::from(value.length())));
        }
        attributes.push(u32(NFTA_SET_ID, id));
        match self.kind {
            SetKind::Plain | SetKind::Expiring => {}
            SetKind::Ranges => attributes.push(self.fields()),
            SetKind::Dynamic {
                timeout,
                size,
                gc_interval,
            } => attributes.extend([
                Attribute::nested(NFTA_SET_DESC, vec![u32(NFTA_SET_DESC_SIZE, size)]),
                Attribute::milliseconds(NFTA_SET_TIMEOUT, timeout),
                u32(
                    NFTA_SET_GC_INTERVAL,
                    u32::try_from(gc_interval.as_millis()).unwrap_or(u32::MAX),
                ),
            ]),
        }
        attributes.push(Attribute::bytes(NFTA_SET_USERDATA, &self.byte_orders()));
        Message::new(NFT_MSG_NEWSET, self.name.table.family.number(), attributes)
    }

    fn flags(&self) -> u32 {
        let kind = match self.kind {
            SetKind::Plain => 0,
            SetKind::Expiring => NFT_SET_TIMEOUT,
            SetKind::Ranges => NFT_SET_INTERVAL | NFT_SET_CONCAT,
            SetKind::Dynamic { .. } => NFT_SET_TIMEOUT | NFT_SET_EVAL,
        };
        kind | if self.value.is_some() { NFT_SET_MAP } else { 0 }
    }

    /// `nft`'s number of the key's type, and its length with padding.
    fn key_format(&self) -> (u32, u32) {
        /// Bits per field in the type of a concatenation.
        const TYPE_BITS: u32 = 6;
        match self.key.as_slice() {
            [field] => (field.number(), u32::from(field.length())),
            fields => fields.iter().fold((0, 0), |(number, length), field| {
                let padded = u32::from(field.length()).next_multiple_of(4);
                (number << TYPE_BITS | field.number(), length + padded)
            }),
        }
    }

    /// The kernel must know where the fields of ranges begin and end.
    fn fields(&self) -> Attribute {
        let each = self.key.iter().map(|field| {
            // In bytes, though the header says bits.
            let length = u32::from(field.length());
            Attribute::nested(
                NFTA_LIST_ELEM,
                vec![Attribute::u32(NFTA_SET_FIELD_LEN, length)],
            )
        });
        let list = Attribute::nested(NFTA_SET_DESC_CONCAT, each.collect());
        Attribute::nested(NFTA_SET_DESC, vec![list])
    }

    /// User data by which `nft list` knows the order of bytes: type 0 for keys and 1 for values,
    /// length, 0 for mixed, 1 for this machine's, 2 for big-endian, as a number of this machine.
    fn byte_orders(&self) -> Vec<u8> {
        let order = |field: Field| match field {
            Field::Mark | Field::Device => 1_u32,
            _ => 2,
        };
        let key = match self.key.as_slice() {
            [field] => order(*field),
            _ => 0,
        };
        let mut all = vec![0, 4];
        all.extend(key.to_ne_bytes());
        if let Some(value) = self.value {
            all.extend([1, 4]);
            all.extend(order(value).to_ne_bytes());
        }
        all
    }
}
