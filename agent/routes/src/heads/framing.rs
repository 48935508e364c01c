//! Where a request's body ends: one way to tell it (RFC 9112, section 6.3), so that nobody finds a second request in it.
//!
//! hyper 1.12 has read the head before, and hides two things that cannot be seen here. Where both `Content-Length` and
//! `Transfer-Encoding` are there, it drops the former, reads chunks, and closes the connection after the answer, as
//! RFC 9112, section 6.1 allows; several `Content-Length` that are equal become one. In both cases the task gets what
//! hyper read, with framing of hyper's own. What it accepts beyond that is refused here: a list that ends with `chunked`
//! (`gzip, chunked`), `chunked` twice, and what HTTP/2 forbids; and names that only begin like `Transfer-Encoding`, which
//! http-parser 2.9 (httptools before 0.2, Node before 12) takes for it.

use super::Refusal;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Version};

/// Fields that HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Checks the fields that say where the body ends, and in HTTP/2 those that do not belong there.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if let Some(length) = length {
        let number = length.as_bytes();
        let good = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        // Longer numbers are no u64.
        if !good || number.len() > 19 || lengths.next().is_some() {
            return Err(Refusal::ContentLength);
        }
    }
    let begins = |name: &HeaderName| {
        name.as_str().starts_with(TRANSFER_ENCODING.as_str()) && *name != TRANSFER_ENCODING
    };
    if headers.keys().any(begins) {
        return Err(Refusal::TransferEncoding);
    }
    if version >= Version::HTTP_2 {
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        let padded = headers.values().any(|value| {
            let value = value.as_bytes();
            blank(value.first()) || blank(value.last())
        });
        if padded || OF_CONNECTIONS.iter().any(|name| headers.contains_key(name)) {
            return Err(Refusal::Field);
        }
        return Ok(());
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(encoding) = encodings.next() else {
        return Ok(());
    };
    if version < Version::HTTP_11 {
        return Err(Refusal::TransferEncoding);
    }
    if length.is_some() {
        return Err(Refusal::TwoLengths);
    }
    let encoding = encoding.to_str().map_err(|_| Refusal::TransferEncoding)?;
    let chunked = |coding: &str| coding.trim().eq_ignore_ascii_case("chunked");
    if encodings.next().is_some() {
        return Err(Refusal::TransferEncoding);
    }
    match encoding.rsplit_once(',') {
        None if chunked(encoding) => Ok(()),
        // Other codings are known to others, and `chunked` twice to nobody.
        Some((before, last)) if chunked(last) && !before.split(',').any(chunked) => {
            Err(Refusal::TransferCoding)
        }
        _ => Err(Refusal::TransferEncoding),
    }
}
