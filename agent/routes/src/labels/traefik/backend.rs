//! Services of Traefik: where requests go.

use super::{Settings, parsed, unknown};
use crate::labels::values::{boolean, port, value};
use crate::labels::{Declared, LabelError};
use crate::route::{BackendMode, Balance, Cookie, SameSite, Scheme, Tasks};

const KNOWN: [&str; 12] = [
    "server.port",
    "server.scheme",
    "passhostheader",
    "strategy",
    "sticky",
    "sticky.cookie",
    "sticky.cookie.name",
    "sticky.cookie.secure",
    "sticky.cookie.httponly",
    "sticky.cookie.samesite",
    "sticky.cookie.path",
    "sticky.cookie.maxage",
];

const NOT_SERVED: [(&str, &str); 5] = [
    (
        "healthcheck",
        "tasks are served while the engine says that they are healthy: use HEALTHCHECK",
    ),
    ("server.url", "tasks are those of the service itself"),
    ("server.weight", "all tasks of a service are alike"),
    (
        "serverstransport",
        "certificates of tasks are not configured by labels yet",
    ),
    ("responseforwarding", "answers are forwarded as they come"),
];

/// The tasks that a service's settings name; none without a port.
pub(super) fn tasks(settings: &Settings<'_>, out: &mut Declared) -> Option<Tasks> {
    unknown(settings, &KNOWN, &NOT_SERVED, out);
    let port = parsed(settings, "server.port", port, out)?;
    let scheme = parsed(settings, "server.scheme", scheme, out).unwrap_or(Scheme::Http);
    let pass_host = parsed(settings, "passhostheader", boolean, out).unwrap_or(true);
    let sticky = settings.keys().any(|key| key.starts_with("sticky"));
    let off = |key: &str| {
        settings
            .get(key)
            .is_some_and(|it| boolean(it.value) == Ok(false))
    };
    let balance = if sticky && !off("sticky") && !off("sticky.cookie") {
        Balance::Sticky(cookie(settings, out))
    } else {
        parsed(settings, "strategy", strategy, out).unwrap_or(Balance::LeastLoaded)
    };
    Some(Tasks {
        port,
        scheme,
        balance,
        mode: BackendMode::Task,
        pass_host,
    })
}

fn scheme(text: &str) -> Result<Scheme, LabelError> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https { verify: true }),
        "h2c" => Ok(Scheme::H2c),
        _ => Err(value(text, "http, https or h2c")),
    }
}

/// Without the label, `wrr` is Traefik's, and the less loaded of two is the router's.
fn strategy(text: &str) -> Result<Balance, LabelError> {
    match text {
        "wrr" => Ok(Balance::RoundRobin),
        "p2c" => Ok(Balance::LeastLoaded),
        "hrw" => Ok(Balance::ClientAddress),
        _ => Err(value(text, "wrr, p2c or hrw")),
    }
}

fn cookie(settings: &Settings<'_>, out: &mut Declared) -> Cookie {
    let mut flag = |key| parsed(settings, key, boolean, out).unwrap_or_default();
    let (secure, http_only) = (flag("sticky.cookie.secure"), flag("sticky.cookie.httponly"));
    let name = parsed(settings, "sticky.cookie.name", cookie_name, out);
    let same_site = parsed(settings, "sticky.cookie.samesite", same_site, out);
    let path = parsed(settings, "sticky.cookie.path", cookie_path, out);
    let max_age = parsed(settings, "sticky.cookie.maxage", max_age, out);
    Cookie {
        name,
        secure,
        http_only,
        same_site,
        path: path.unwrap_or_else(|| "/".to_owned()),
        // 0: until the client ends, as Traefik has it.
        max_age_s: max_age.filter(|seconds| *seconds != 0),
    }
}

/// A token (RFC 6265, section 4.1.1).
fn cookie_name(text: &str) -> Result<String, LabelError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err(value(text, "letters, digits, - and _"))
    }
}

fn cookie_path(text: &str) -> Result<String, LabelError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    if text.starts_with('/') && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(value(text, "a path such as /app"))
    }
}

fn same_site(text: &str) -> Result<SameSite, LabelError> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(SameSite::None),
        "lax" => Ok(SameSite::Lax),
        "strict" => Ok(SameSite::Strict),
        _ => Err(value(text, "none, lax or strict")),
    }
}

fn max_age(text: &str) -> Result<u32, LabelError> {
    text.parse().map_err(|_| value(text, "a number of seconds"))
}
