//! Header fields of answers.

use super::{change, cors};
use crate::route::{Filter, Hsts};
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderMap, HeaderValue};

/// Lets an answer pass the filters, on its way back: from the last one to the first.
pub(super) fn respond(
    filters: &[Filter],
    https: bool,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    for filter in filters.iter().rev() {
        match filter {
            Filter::Response(change) => change::apply(change, headers),
            // Browsers ignore it where there is no TLS (RFC 6797, section 8.1), so that it says nothing there.
            Filter::Hsts(hsts) if https || hsts.forced => {
                if let Ok(value) = HeaderValue::from_str(&text(*hsts)) {
                    headers.insert(STRICT_TRANSPORT_SECURITY, value);
                }
            }
            Filter::Cors(cors) => cors::respond(cors, origin, headers),
            Filter::Hsts(_)
            | Filter::Closed(_)
            | Filter::BasicAuth(_)
            | Filter::Redirect(_)
            | Filter::AllowClients(_)
            | Filter::StripPrefix(_)
            | Filter::Request(_) => {}
        }
    }
}

fn text(hsts: Hsts) -> String {
    let subdomains = if hsts.subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let preload = if hsts.preload { "; preload" } else { "" };
    format!("max-age={}{subdomains}{preload}", hsts.max_age_s)
}
