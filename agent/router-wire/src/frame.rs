//! Messages as bytes on a stream: 32 bits of length in network byte order, then the message.

use crate::message::{ToAgent, ToRouter};
use crate::proto;
use prost::Message as _;
use std::marker::PhantomData;

/// Bytes of the length.
const HEAD: usize = 4;

/// Reasons for which a stream cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A message is longer than its kind may be.
    #[error("a message of {bytes} bytes, of which there may be {most}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// Limit, in bytes.
        most: usize,
    },
    /// The bytes are not a message of this protocol.
    #[error("bytes that are no message: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// A message of one direction.
pub trait Message: Sized {
    /// Limit on its bytes.
    const MOST: usize;
    /// Its bytes, without the length.
    fn encode(self) -> Vec<u8>;
    /// The message of these bytes; `None` if it is of a kind that this version does not know.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    fn decode(bytes: &[u8]) -> Result<Option<Self>, FrameError>;
}

impl Message for ToRouter {
    /// 10,000 services of 10 tasks each make some 15 MB. The agent is root: it is trusted with the router's memory.
    const MOST: usize = 128 << 20;

    fn encode(self) -> Vec<u8> {
        proto::ToRouter::from(self).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        Ok(proto::ToRouter::decode(bytes)?.into_message())
    }
}

impl Message for ToAgent {
    /// Numbers, and a version, names of [`crate::stats::ROUTES`] routes, or those of some certificates. A router that a client
    /// has taken over costs the agent no more memory.
    const MOST: usize = 64 << 10;

    fn encode(self) -> Vec<u8> {
        proto::ToAgent::from(self).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        Ok(proto::ToAgent::decode(bytes)?.into_message())
    }
}

/// A message with its length, as it is written to the stream.
#[must_use]
pub fn encode<M: Message>(message: M) -> Vec<u8> {
    let body = message.encode();
    // A longer one is refused by its reader: 4 GiB are above every limit.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// Reads messages off a stream, however its bytes are cut.
#[derive(Debug)]
pub struct Decoder<M> {
    /// Bytes that were read and belong to no message yet.
    bytes: Vec<u8>,
    of: PhantomData<M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            of: PhantomData,
        }
    }
}

impl<M: Message> Decoder<M> {
    /// Takes bytes off the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if all of it was read. Messages of kinds that this version does not know are skipped.
    ///
    /// # Errors
    /// [`FrameError`]: the stream is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<M>, FrameError> {
        while let Some(head) = self.bytes.first_chunk::<HEAD>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > M::MOST {
                return Err(FrameError::TooLong {
                    bytes: length,
                    most: M::MOST,
                });
            }
            let Some(body) = self.bytes.get(HEAD..HEAD + length) else {
                return Ok(None);
            };
            let message = M::decode(body)?;
            self.bytes.drain(..HEAD + length);
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }
}
