//! A page: the problem, its status, and the request's id.

use super::Problem;
use super::format::Format;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Methods that are served on every route (RFC 9110, section 10.2.1).
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// The header fields of a page. Nothing is cached: what is wrong now is put right next.
pub(super) fn headers(problem: &Problem<'_>, format: Format, request_id: &str) -> HeaderMap {
    let media_type = match format {
        Format::Plain => "text/plain; charset=utf-8",
        Format::Html => "text/html; charset=utf-8",
        Format::Json => "application/problem+json",
    };
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if problem.status() == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, METHODS);
    }
    match problem {
        Problem::Unauthorized { realm } => {
            headers.insert(WWW_AUTHENTICATE, challenge(realm));
        }
        // In seconds: requests end all the time.
        Problem::Overloaded => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    headers
}

/// `Basic realm="…"` (RFC 7617, section 2). A realm that is no text of a field is left empty.
fn challenge(realm: &str) -> HeaderValue {
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_str(&format!("Basic realm=\"{quoted}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic realm=\"\""))
}

/// The body of a page.
pub(super) fn body(problem: &Problem<'_>, format: Format, request_id: &str) -> String {
    let status = problem.status();
    let title = status.canonical_reason().unwrap_or_default();
    match format {
        Format::Plain => format!("{status}\n{problem}\nRequest {request_id}\n"),
        Format::Html => {
            let (detail, id) = (escaped(&problem.to_string()), escaped(request_id));
            format!(
                "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{status}</title>\n\
                 <h1>{status}</h1>\n<p>{detail}</p>\n<p><small>Request {id}</small></p>\n</html>\n"
            )
        }
        Format::Json => {
            let mut body = serde_json::json!({
                "type": "about:blank",
                "title": title,
                "status": status.as_u16(),
                "detail": problem.to_string(),
                "request_id": request_id,
            })
            .to_string();
            body.push('\n');
            body
        }
    }
}

/// Text as HTML has it, also in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_realm_cannot_end_its_quotes() {
        assert_eq!(challenge("shop"), "Basic realm=\"shop\"");
        assert_eq!(challenge("a\"b\\"), "Basic realm=\"a\\\"b\\\\\"");
        assert_eq!(challenge("a\nb"), "Basic realm=\"\"");
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in ".{0,40}") {
            let html = escaped(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            let back = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), text);
        }
    }
}
