//! Middlewares of Traefik: what is done with requests on their way.

mod headers;

use super::{Setting, Settings};
use crate::labels::values::{boolean, list, port, value};
use crate::labels::{Declared, LabelError};
use crate::path::NormalPath;
use crate::route::{BasicAuth, Filter, Redirect, User};
use http::HeaderName;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Kinds that keep nobody out: without them, the route answers all the same.
const OPEN: [&str; 16] = [
    "addprefix",
    "buffering",
    "circuitbreaker",
    "compress",
    "contenttype",
    "errors",
    "grpcweb",
    "inflightreq",
    "passtlsclientcert",
    "ratelimit",
    "redirectregex",
    "replacepath",
    "replacepathregex",
    "retry",
    "stripprefixregex",
    "encodedcharacters",
];

/// The filters that a middleware's settings declare.
pub(super) fn filters(settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
    let mut kinds: BTreeMap<&str, Settings<'_>> = BTreeMap::new();
    for (key, setting) in settings {
        let (kind, option) = key.split_once('.').unwrap_or((key, ""));
        let of_kind = kinds.entry(kind).or_default();
        of_kind.insert(option.to_owned(), *setting);
    }
    let made = kinds.iter().flat_map(|(kind, settings)| match *kind {
        "redirectscheme" => redirect(settings, out),
        "stripprefix" => strip_prefix(settings, out),
        "headers" => headers::filters(settings, out),
        "basicauth" => closed_if_wrong(settings, out, basic_auth),
        "ipallowlist" | "ipwhitelist" => closed_if_wrong(settings, out, allow_clients),
        kind => not_served(kind, settings, out),
    });
    made.collect()
}

/// Makes a filter that keeps clients out; where its settings are not understood, it keeps all of them out.
fn closed_if_wrong(
    settings: &Settings<'_>,
    out: &mut Declared,
    make: fn(&Settings<'_>) -> Result<Filter, (String, LabelError)>,
) -> Vec<Filter> {
    vec![make(settings).unwrap_or_else(|(label, error)| closed(label, error, out))]
}

fn closed(label: impl Into<String>, error: LabelError, out: &mut Declared) -> Filter {
    let filter = Filter::Closed(error.to_string());
    out.problem(label, LabelError::Closes(Box::new(error)));
    filter
}

fn not_served(kind: &str, settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
    let Some(first) = settings.values().next() else {
        return Vec::new();
    };
    if OPEN.contains(&kind) {
        out.problem(
            first.label,
            LabelError::NotServed("requests pass without this middleware"),
        );
        return Vec::new();
    }
    let why = "this middleware may be what keeps strangers out";
    vec![closed(first.label, LabelError::NotServed(why), out)]
}

fn redirect(settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
    super::unknown(settings, &["scheme", "port", "permanent"], &[], out);
    let scheme = |text: &str| match text {
        "https" => Ok(true),
        "http" => Ok(false),
        _ => Err(value(text, "http or https")),
    };
    let https = match (settings.get("scheme"), settings.values().next()) {
        (Some(setting), _) => scheme(setting.value).map_err(|error| (setting.label, error)),
        (None, Some(first)) => {
            let missing = LabelError::Missing("the scheme, http or https");
            Err((first.label, missing))
        }
        (None, None) => return Vec::new(),
    };
    let https = match https {
        Ok(https) => https,
        // Without the redirect, clients would be served in the clear.
        Err((label, error)) => return vec![closed(label, error, out)],
    };
    vec![Filter::Redirect(Redirect {
        https,
        port: super::parsed(settings, "port", port, out),
        permanent: super::parsed(settings, "permanent", boolean, out).unwrap_or_default(),
    })]
}

fn strip_prefix(settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
    let slash = [("forceslash", "a path that is empty becomes /")];
    super::unknown(settings, &["prefixes"], &slash, out);
    let prefixes = super::parsed(settings, "prefixes", prefixes, out);
    prefixes.map(Filter::StripPrefix).into_iter().collect()
}

fn prefixes(text: &str) -> Result<Vec<NormalPath>, LabelError> {
    let path =
        |prefix| NormalPath::written(prefix).map_err(|_| value(prefix, "paths such as /app"));
    list(text, ',').map(path).collect()
}

fn basic_auth(settings: &Settings<'_>) -> Result<Filter, (String, LabelError)> {
    let at = |setting: &Setting<'_>, error| (setting.label.to_owned(), error);
    let mut auth = BasicAuth {
        users: Vec::new(),
        realm: "traefik".to_owned(),
        name_field: None,
        removes_header: false,
    };
    for (option, setting) in settings {
        let fails = |error| at(setting, error);
        match option.as_str() {
            "users" => auth.users = users(setting.value).map_err(fails)?,
            "realm" => setting.value.clone_into(&mut auth.realm),
            "removeheader" => auth.removes_header = boolean(setting.value).map_err(fails)?,
            "headerfield" => {
                let name = HeaderName::from_bytes(setting.value.as_bytes());
                let name = name.map_err(|_| value(setting.value, "the name of a header field"));
                auth.name_field = Some(name.map_err(fails)?);
            }
            "usersfile" => {
                return Err(fails(LabelError::NotServed(
                    "users are named in the label users",
                )));
            }
            _ => return Err(fails(LabelError::Unknown { near: None })),
        }
    }
    match settings.values().next() {
        Some(first) if auth.users.is_empty() => Err(at(
            first,
            LabelError::Missing("users, as htpasswd writes them"),
        )),
        _ => Ok(Filter::BasicAuth(auth)),
    }
}

fn users(text: &str) -> Result<Vec<User>, LabelError> {
    const DIGESTS: [&str; 5] = ["$2y$", "$2a$", "$2b$", "$apr1$", "{SHA}"];
    let user = |entry: &str| {
        let (name, digest) = entry.split_once(':')?;
        let known = DIGESTS.iter().any(|kind| digest.starts_with(kind));
        let (name, digest) = (name.to_owned(), digest.to_owned());
        known.then_some(User { name, digest })
    };
    // The value is not told: it is a secret.
    let wrong = || {
        value(
            "…",
            "NAME:DIGEST as htpasswd -B writes it, in a stack file with $$ for $",
        )
    };
    list(text, ',')
        .map(|entry| user(entry).ok_or_else(wrong))
        .collect()
}

fn allow_clients(settings: &Settings<'_>) -> Result<Filter, (String, LabelError)> {
    let mut networks = Vec::new();
    for (option, setting) in settings {
        let fails = |error| (setting.label.to_owned(), error);
        match option.as_str() {
            "sourcerange" => {
                for text in list(setting.value, ',') {
                    let network = text.parse::<IpAddr>().map(IpNet::from);
                    let network = network.or_else(|_| text.parse::<IpNet>());
                    let network = network.map_err(|_| value(text, "networks such as 192.0.2.0/24"));
                    networks.push(network.map_err(fails)?.trunc());
                }
            }
            _ => {
                return Err(fails(LabelError::NotServed(
                    "clients are known by their own addresses",
                )));
            }
        }
    }
    Ok(Filter::AllowClients(networks))
}
