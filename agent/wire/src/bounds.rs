//! Limits on messages, checked before a message is decoded: one that is small on the wire can be large in memory.

use crate::proto;
use prost::encoding::{WireType, decode_key, decode_varint};

/// Limit on a whole view, in bytes. 10,000 services of 10 tasks each make some 10 MB.
pub const VIEW_BYTES: usize = 64 << 20;
/// Limit on the counters of one node, in bytes.
pub const STATS_BYTES: usize = 4 << 20;
/// Limit on every other message, in bytes.
const WORD_BYTES: usize = 64 << 10;

/// Limits on the numbers of services, tasks and nodes of a view.
const SERVICES: usize = 100_000;
const TASKS: usize = 1_000_000;
const NODES: usize = 20_000;

/// Reasons for which a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The message has more bytes than its kind may have.
    #[error("a message of {bytes} bytes, of which its kind may have {most}")]
    Bytes {
        /// Bytes of the message.
        bytes: usize,
        /// Limit, in bytes.
        most: usize,
    },
    /// The message has more entries than any Swarm has.
    #[error("a view of more than {most} {what}")]
    Entries {
        /// Kind of the entries.
        what: &'static str,
        /// Limit on the entries.
        most: usize,
    },
    /// The bytes are not a message of this protocol.
    #[error("bytes that are no message")]
    Malformed,
}

/// Messages whose bytes are checked before they are decoded.
pub trait Bounded {
    /// Checks that `bytes` may be decoded.
    ///
    /// # Errors
    /// [`LimitError`].
    fn check(bytes: &[u8]) -> Result<(), LimitError>;
}

impl Bounded for proto::Up {
    fn check(bytes: &[u8]) -> Result<(), LimitError> {
        /// The field of a node's traffic.
        const STATS: u32 = 3;
        by_kind(bytes, STATS, STATS_BYTES)
    }
}

impl Bounded for proto::Down {
    fn check(bytes: &[u8]) -> Result<(), LimitError> {
        /// The field of a whole view.
        const SNAPSHOT: u32 = 2;
        by_kind(bytes, SNAPSHOT, VIEW_BYTES)
    }
}

impl Bounded for proto::ClusterStatsRequest {
    fn check(bytes: &[u8]) -> Result<(), LimitError> {
        at_most(bytes.len(), WORD_BYTES)
    }
}

impl Bounded for proto::ClusterStatsReply {
    fn check(bytes: &[u8]) -> Result<(), LimitError> {
        at_most(bytes.len(), VIEW_BYTES)
    }
}

impl Bounded for proto::Snapshot {
    fn check(bytes: &[u8]) -> Result<(), LimitError> {
        at_most(bytes.len(), VIEW_BYTES)?;
        let mut left = [
            (2, "services", SERVICES, SERVICES),
            (3, "tasks", TASKS, TASKS),
            (4, "nodes", NODES, NODES),
        ];
        fields(bytes, |field, _| {
            for (number, what, most, left) in &mut left {
                if *number == field {
                    *left = left
                        .checked_sub(1)
                        .ok_or(LimitError::Entries { what, most: *most })?;
                }
            }
            Ok(())
        })
    }
}

/// All fields but `large` are small, also together; `large` has `most` bytes.
fn by_kind(bytes: &[u8], large: u32, most: usize) -> Result<(), LimitError> {
    let (mut of_large, mut of_others) = (0, 0);
    fields(bytes, |field, size| {
        if field == large {
            of_large += size;
            at_most(of_large, most)
        } else {
            of_others += size;
            at_most(of_others, WORD_BYTES)
        }
    })
}

fn at_most(bytes: usize, most: usize) -> Result<(), LimitError> {
    if bytes > most {
        return Err(LimitError::Bytes { bytes, most });
    }
    Ok(())
}

/// Calls `each` with number and size of each field of a message.
fn fields(
    mut bytes: &[u8],
    mut each: impl FnMut(u32, usize) -> Result<(), LimitError>,
) -> Result<(), LimitError> {
    while !bytes.is_empty() {
        let before = bytes.len();
        let (field, kind) = decode_key(&mut bytes).map_err(|_| LimitError::Malformed)?;
        let content = match kind {
            WireType::Varint => {
                decode_varint(&mut bytes).map_err(|_| LimitError::Malformed)?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                let size = decode_varint(&mut bytes).map_err(|_| LimitError::Malformed)?;
                usize::try_from(size).map_err(|_| LimitError::Malformed)?
            }
            // No message of this protocol has groups.
            WireType::StartGroup | WireType::EndGroup => return Err(LimitError::Malformed),
        };
        bytes = bytes.get(content..).ok_or(LimitError::Malformed)?;
        each(field, before - bytes.len())?;
    }
    Ok(())
}
