//! The host of a request: one, wherever the request says it.

use super::{Head, Refusal};
use crate::rule::Host;
use http::header::HOST;
use http::{HeaderValue, Version};

/// The host, and the authority of the target where there is no field `Host`.
///
/// RFC 9112, section 3.2.2 lets the target's authority win over `Host`; a task that looks at `Host` would then see
/// another host than the rule did, so that two different ones are refused. Requests of HTTP/1.0 need no `Host`, but
/// name a host: no route is for requests without one.
pub(super) fn host(head: &Head<'_>) -> Result<(Host, Option<HeaderValue>), Refusal> {
    let mut fields = head.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Refusal::ManyHosts);
    }
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    let Some(field) = field else {
        if head.version == Version::HTTP_11 {
            return Err(Refusal::NoHost);
        }
        let target = target.ok_or(Refusal::NoHost)?;
        let host = Host::of(target).ok_or(Refusal::BadHost)?;
        let value = HeaderValue::from_str(target).map_err(|_| Refusal::BadHost)?;
        return Ok((host, Some(value)));
    };
    let field = field.to_str().map_err(|_| Refusal::BadHost)?;
    let host = Host::of(field).ok_or(Refusal::BadHost)?;
    let Some(target) = target else {
        return Ok((host, None));
    };
    let scheme = head.uri.scheme_str().unwrap_or_default();
    let other = Host::of(target).ok_or(Refusal::BadHost)?;
    if other == host && port(target, scheme) == port(field, scheme) {
        Ok((host, None))
    } else {
        Err(Refusal::OtherHost)
    }
}

/// The port of an authority; where it says none, the scheme's.
fn port(authority: &str, scheme: &str) -> Option<u16> {
    let (_, after_address) = authority.rsplit_once(']').unwrap_or(("", authority));
    let said = after_address
        .rsplit_once(':')
        .filter(|(_, port)| !port.is_empty());
    match said {
        Some((_, port)) => port.parse().ok(),
        None if scheme == "https" => Some(443),
        None => Some(80),
    }
}
