//! Why a request is refused before it is known whose it is.

use crate::path::PathError;
use http::StatusCode;

/// Why a request is refused, in one sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No field `Host`, which HTTP/1.1 asks for (RFC 9112, section 3.2), and no `:authority`.
    #[error("The request does not say for which host it is.")]
    NoHost,
    /// Several fields `Host`.
    #[error("The request says more than once for which host it is.")]
    ManyHosts,
    /// A host that is neither a name nor an address.
    #[error("The request's host is neither a name nor an address.")]
    BadHost,
    /// `Host` names another host or port than the request's target, or than `:authority`.
    #[error("The request names two hosts.")]
    OtherHost,
    /// A target that is no path: of another form, of another scheme, or with a path that has several readings.
    #[error("The request's target is not valid: {0}.")]
    Path(#[from] PathError),
    /// A scheme other than `http` and `https`.
    #[error("The request's scheme is neither http nor https.")]
    Scheme,
    /// A path and query of more than 8,190 bytes.
    #[error("The request's target is too long.")]
    LongTarget,
    /// A query with a byte that no query has: a control character, a space, or one that is not ASCII.
    #[error("The request's query has a byte that has to be encoded.")]
    Query,
    /// TRACE, which tells scripts what they may not read; or CONNECT, which is for forward proxies, except for WebSocket
    /// by HTTP/2 (RFC 8441).
    #[error("This method is not served.")]
    Method,
    /// More than 100 header fields.
    #[error("The request has too many header fields.")]
    ManyFields,
    /// A field of a connection in HTTP/2 (RFC 9113, section 8.2.2), or a value with a blank at its beginning or end
    /// (section 8.2.1).
    #[error("The request has a header field that HTTP/2 does not allow.")]
    Field,
    /// `Content-Length` that is no number, or is there more than once.
    #[error("The request's Content-Length is not one number.")]
    ContentLength,
    /// `Content-Length` and `Transfer-Encoding` (RFC 9112, section 6.3).
    #[error("The request has both Content-Length and Transfer-Encoding.")]
    TwoLengths,
    /// `Transfer-Encoding` before HTTP/1.1, a name that begins like it, or one that does not end with `chunked`.
    #[error("The request's Transfer-Encoding is not valid.")]
    TransferEncoding,
    /// `Transfer-Encoding` with another coding than `chunked` (RFC 9112, section 6.1).
    #[error("The request's Transfer-Encoding is not served: only chunked is.")]
    TransferCoding,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::NoHost
            | Self::ManyHosts
            | Self::BadHost
            | Self::OtherHost
            | Self::Path(_)
            | Self::Scheme
            | Self::Query
            | Self::Field
            | Self::ContentLength
            | Self::TwoLengths
            | Self::TransferEncoding => StatusCode::BAD_REQUEST,
        }
    }
}
