//! `com.docker.lb.redirects`: hosts whose clients are sent to another URL.
//!
//! Such a host may be among the `hosts` of the service, too; it is redirected all the same. Where the URL is the host itself by
//! another scheme, clients that come by that scheme are served and not sent in a circle.

use super::Labels;
use crate::labels::values::{list, value};
use crate::route::{EntryPoints, Route, Target};
use crate::rule::{Host, HostPattern, Matcher, Rule};
use http::Uri;

/// A host whose clients are sent elsewhere.
pub(super) struct Redirected {
    host: HostPattern,
    /// Where and how.
    pub(super) route: Route,
}

impl Labels<'_> {
    /// `FROM,TO;FROM,TO`: both are URLs, or hosts.
    pub(super) fn redirects(&mut self, base: &Route) -> Vec<Redirected> {
        let redirects = self.value("redirects").unwrap_or_default().to_owned();
        let redirects = list(&redirects, ';');
        redirects
            .filter_map(|redirect| self.redirect(redirect, base))
            .collect()
    }

    fn redirect(&mut self, redirect: &str, base: &Route) -> Option<Redirected> {
        let Some((from, to)) = redirect.split_once(',') else {
            let wanted = "FROM,TO, and others after a semicolon";
            self.problem("redirects", value(redirect, wanted));
            return None;
        };
        let (from, to) = (host_of(from.trim()), to.trim());
        let host = self.host("redirects", from)?;
        let to = if to.contains("://") {
            to.to_owned()
        } else {
            format!("http://{to}")
        };
        let route = Route {
            name: format!("redirect {from}"),
            entry_points: without_itself(base.entry_points, &host, &to),
            rule: Rule::Matcher(Matcher::Host(host.clone())),
            filters: Vec::new(),
            target: Target::Elsewhere(to.trim_end_matches('/').to_owned()),
            ..base.clone()
        };
        let served = route.entry_points.http || route.entry_points.https;
        served.then_some(Redirected { host, route })
    }
}

/// The ports on which a host is not redirected.
pub(super) fn others(
    all: EntryPoints,
    redirects: &[Redirected],
    host: &HostPattern,
) -> EntryPoints {
    let of_host = redirects.iter().filter(|it| it.host == *host);
    of_host.fold(all, |left, redirect| {
        let taken = redirect.route.entry_points;
        EntryPoints {
            http: left.http && !taken.http,
            https: left.https && !taken.https,
        }
    })
}

/// The ports from which a URL leads elsewhere.
fn without_itself(all: EntryPoints, from: &HostPattern, to: &str) -> EntryPoints {
    let Some((scheme, port)) = itself(from, to) else {
        return all;
    };
    EntryPoints {
        http: all.http && !(scheme == "http" && port.is_none_or(|port| port == 80)),
        https: all.https && !(scheme == "https" && port.is_none_or(|port| port == 443)),
    }
}

/// Scheme and port of a URL whose host is one of these.
fn itself(from: &HostPattern, to: &str) -> Option<(String, Option<u16>)> {
    let to: Uri = to.parse().ok()?;
    let host = Host::of(to.host()?)?;
    let scheme = to.scheme_str()?.to_owned();
    from.matches(&host).then(|| (scheme, to.port_u16()))
}

/// The host of a URL, or what is one already.
fn host_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.split('/').next().unwrap_or_default()
}
