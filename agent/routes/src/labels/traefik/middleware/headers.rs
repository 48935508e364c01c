//! The middleware `headers`: fields of requests and answers, HSTS and CORS.

use super::super::{Settings, parsed, unknown};
use crate::labels::values::{boolean, list, value};
use crate::labels::{Declared, LabelError};
use crate::route::{Cors, Filter, HeaderChange, Hsts};
use crate::rule::{Regex, TextPattern};
use http::{HeaderName, HeaderValue};

/// Settings that are a field of the answer with the setting's value.
const FIELDS: [(&str, &str); 6] = [
    ("customframeoptionsvalue", "x-frame-options"),
    ("custombrowserxssvalue", "x-xss-protection"),
    ("contentsecuritypolicy", "content-security-policy"),
    (
        "contentsecuritypolicyreportonly",
        "content-security-policy-report-only",
    ),
    ("referrerpolicy", "referrer-policy"),
    ("permissionspolicy", "permissions-policy"),
];

/// Settings that are a field of the answer where they are true.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("framedeny", "x-frame-options", "DENY"),
    ("contenttypenosniff", "x-content-type-options", "nosniff"),
    ("browserxssfilter", "x-xss-protection", "1; mode=block"),
];

const OTHERS: [&str; 12] = [
    "stsseconds",
    "stsincludesubdomains",
    "stspreload",
    "forcestsheader",
    "accesscontrolallowcredentials",
    "accesscontrolallowheaders",
    "accesscontrolallowmethods",
    "accesscontrolalloworiginlist",
    "accesscontrolalloworiginlistregex",
    "accesscontrolexposeheaders",
    "accesscontrolmaxage",
    "addvaryheader",
];

const NOT_SERVED: [(&str, &str); 8] = [
    ("allowedhosts", "a rule says which hosts are served"),
    ("hostsproxyheaders", "the host is that of the request"),
    ("sslredirect", "use the middleware redirectscheme"),
    ("ssltemporaryredirect", "use the middleware redirectscheme"),
    ("sslhost", "use the middleware redirectscheme"),
    ("sslproxyheaders", "the router knows who came by TLS"),
    ("publickey", "browsers no longer know it"),
    (
        "isdevelopment",
        "what it would leave out is not declared then",
    ),
];

pub(super) fn filters(settings: &Settings<'_>, out: &mut Declared) -> Vec<Filter> {
    let mut all = Vec::new();
    let mut rest = Settings::new();
    for (key, setting) in settings {
        let custom = [
            ("customrequestheaders.", false),
            ("customresponseheaders.", true),
        ];
        let custom = custom
            .iter()
            .find_map(|(prefix, response)| Some((key.strip_prefix(prefix)?, *response)));
        let Some((name, response)) = custom else {
            rest.insert(key.clone(), *setting);
            continue;
        };
        match change(name, setting.value) {
            Ok(change) if response => all.push(Filter::Response(change)),
            Ok(change) => all.push(Filter::Request(change)),
            Err(error) => out.problem(setting.label, error),
        }
    }
    let known: Vec<&str> = FIELDS.iter().map(|(key, _)| *key).collect();
    let known = known
        .into_iter()
        .chain(SWITCHES.iter().map(|(key, ..)| *key));
    let known: Vec<&str> = known.chain(OTHERS).collect();
    unknown(&rest, &known, &NOT_SERVED, out);
    // Answers pass from the last filter to the first: a value is set after the switch for the same field.
    for (key, field) in FIELDS {
        if let Some(setting) = rest.get(key).filter(|setting| !setting.value.is_empty()) {
            match change(field, setting.value) {
                Ok(change) => all.push(Filter::Response(change)),
                Err(error) => out.problem(setting.label, error),
            }
        }
    }
    for (key, field, on) in SWITCHES {
        if parsed(&rest, key, boolean, out) == Some(true) {
            all.extend(change(field, on).map(Filter::Response));
        }
    }
    all.extend(hsts(&rest, out).map(Filter::Hsts));
    all.extend(cors(&rest, out).map(Filter::Cors));
    all
}

/// A field with a value; an empty one takes the field away.
fn change(name: &str, text: &str) -> Result<HeaderChange, LabelError> {
    let name = HeaderName::from_bytes(name.as_bytes());
    let name = name.map_err(|_| value(text, "a field's name behind customrequestheaders."))?;
    let set = HeaderValue::from_str(text).map_err(|_| value(text, "a field's value"))?;
    Ok(HeaderChange {
        name,
        value: (!text.is_empty()).then_some(set),
    })
}

fn hsts(settings: &Settings<'_>, out: &mut Declared) -> Option<Hsts> {
    let max_age_s = parsed(settings, "stsseconds", seconds, out).filter(|age| *age != 0)?;
    let mut flag = |key| parsed(settings, key, boolean, out).unwrap_or_default();
    Some(Hsts {
        max_age_s,
        subdomains: flag("stsincludesubdomains"),
        preload: flag("stspreload"),
        forced: flag("forcestsheader"),
    })
}

fn cors(settings: &Settings<'_>, out: &mut Declared) -> Option<Cors> {
    let said = settings.keys().any(|key| key.starts_with("accesscontrol"));
    let words = |text: &str| Ok(list(text, ',').map(str::to_owned).collect::<Vec<_>>());
    let mut origins = Vec::new();
    for origin in parsed(settings, "accesscontrolalloworiginlist", words, out).unwrap_or_default() {
        origins.push(TextPattern::Exact(origin));
    }
    let patterns = parsed(settings, "accesscontrolalloworiginlistregex", regexes, out);
    origins.extend(patterns.unwrap_or_default());
    let mut words = |key| parsed(settings, key, words, out).unwrap_or_default();
    let (methods, headers) = (
        words("accesscontrolallowmethods"),
        words("accesscontrolallowheaders"),
    );
    let exposed = words("accesscontrolexposeheaders");
    let mut flag = |key| parsed(settings, key, boolean, out).unwrap_or_default();
    let (credentials, vary) = (flag("accesscontrolallowcredentials"), flag("addvaryheader"));
    let max_age_s = parsed(settings, "accesscontrolmaxage", seconds, out);
    said.then_some(Cors {
        origins,
        methods,
        headers,
        exposed,
        credentials,
        max_age_s,
        vary,
    })
}

fn regexes(text: &str) -> Result<Vec<TextPattern>, LabelError> {
    let each = list(text, ',').map(|expression| {
        let regex = Regex::new(expression).map_err(|_| value(expression, "regular expressions"));
        regex.map(TextPattern::Regex)
    });
    each.collect()
}

fn seconds(text: &str) -> Result<u64, LabelError> {
    text.parse().map_err(|_| value(text, "a number of seconds"))
}
