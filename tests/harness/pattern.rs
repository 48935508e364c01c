//! The bytes that `whoami` sends for `GET /bytes/N`, and their digest.
//!
//! Word `i` of the stream is the SplitMix64 output for state `i`, little-endian;
//! the stream's byte `k` is byte `k % 8` of word `k / 8`. Every byte depends on
//! its position, so that lost, repeated or reordered segments change the digest,
//! and no peer has to hold the data.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Bytes that [`chunks`] hands out at a time; a multiple of the word size.
const CHUNK_BYTES: u64 = 64 * 1024;

const WORD_BYTES: u64 = 8;

/// The first `len` bytes of the stream, in pieces made when they are asked for.
pub fn chunks(len: u64) -> impl Iterator<Item = Bytes> + Send {
    let count = len.div_ceil(CHUNK_BYTES);
    (0..count).map(move |n| {
        let start = n * CHUNK_BYTES;
        chunk(start / WORD_BYTES, CHUNK_BYTES.min(len - start))
    })
}

/// The digest, in hexadecimal, of the first `len` bytes of the stream.
#[must_use]
pub fn sha256(len: u64) -> String {
    let mut digest = Sha256::new();
    for chunk in chunks(len) {
        digest.update(&chunk);
    }
    hex(digest)
}

/// A finished digest in hexadecimal.
#[must_use]
pub fn hex(digest: Sha256) -> String {
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn chunk(first_word: u64, len: u64) -> Bytes {
    let words = len.div_ceil(WORD_BYTES);
    let mut bytes: Vec<u8> = (first_word..first_word + words)
        .flat_map(|word| splitmix64(word).to_le_bytes())
        .collect();
    bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    bytes.into()
}

fn splitmix64(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first word is the published SplitMix64 output for seed 0.
    #[test]
    fn starts_as_splitmix64_does() {
        let first = chunks(8).next().unwrap();
        assert_eq!(first.as_ref(), 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
    }

    #[test]
    fn any_length_is_a_prefix_of_a_longer_one() {
        let long: Vec<u8> = chunks(CHUNK_BYTES * 2 + 100).flatten().collect();
        for len in [
            0,
            1,
            7,
            9,
            CHUNK_BYTES - 1,
            CHUNK_BYTES + 3,
            CHUNK_BYTES * 2 + 99,
        ] {
            let short: Vec<u8> = chunks(len).flatten().collect();
            assert_eq!(short, long[..usize::try_from(len).unwrap()], "length {len}");
        }
    }

    #[test]
    fn digest_of_nothing_is_the_empty_digest() {
        assert!(sha256(0).starts_with("e3b0c44298fc1c14"));
    }
}
