//! Answers that the router itself gives: pages for errors, and redirects.
//!
//! A page says in one sentence what is wrong, and has the request's id, by which the log has more. Its form is the one
//! that the client prefers: HTML, JSON (RFC 9457) or plain text.

mod format;
mod page;
mod problem;
mod redirect;

pub use problem::Problem;
pub use redirect::{elsewhere, to_scheme};

use http::{HeaderMap, StatusCode};

/// An answer of the router.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields, without those that frame the message.
    pub headers: HeaderMap,
    /// The body. It is not sent where the request's method is HEAD.
    pub body: String,
}

impl Answer {
    /// The page for a problem. `request` are the header fields of the request, of which `Accept` says the page's form.
    #[must_use]
    pub fn problem(problem: &Problem<'_>, request: &HeaderMap, request_id: &str) -> Self {
        let format = format::preferred(request);
        Self {
            status: problem.status(),
            headers: page::headers(problem, format, request_id),
            body: page::body(problem, format, request_id),
        }
    }
}

#[cfg(test)]
mod tests;
