//! Labels of Traefik 1, and what to write in their stead.

/// What version 3 writes for a label of version 1 (`rest` is the label without its prefix) on the service `name`; `None`
/// if it is of no version.
pub(super) fn instead(rest: &str, value: &str, name: &str) -> Option<String> {
    let lower = rest.to_ascii_lowercase();
    // A service with several ports has a name for each before the rest.
    let (object, lower) = match lower.split_once('.') {
        Some((segment, after)) if !KNOWN.contains(&segment) => {
            (segment.to_owned(), after.to_owned())
        }
        _ => (name.to_owned(), lower),
    };
    let router = format!("traefik.http.routers.{object}");
    let backend = format!("traefik.http.services.{object}.loadbalancer");
    let middleware = format!("traefik.http.middlewares.{object}");
    Some(match lower.as_str() {
        "port" => format!("{backend}.server.port={value}"),
        "protocol" => format!("{backend}.server.scheme={value}"),
        "frontend.rule" => format!("{router}.rule={}", rule(value)),
        "frontend.entrypoints" => format!("{router}.entrypoints={value}"),
        "frontend.priority" => format!("{router}.priority={value}"),
        "frontend.passhostheader" => format!("{backend}.passhostheader={value}"),
        "frontend.auth.basic" | "frontend.auth.basic.users" => {
            format!("{middleware}.basicauth.users={value} and {router}.middlewares={object}")
        }
        "frontend.redirect.entrypoint" => {
            format!("{middleware}.redirectscheme.scheme=https and {router}.middlewares={object}")
        }
        "backend.loadbalancer.sticky" | "backend.loadbalancer.stickiness" => {
            format!("{backend}.sticky.cookie={value}")
        }
        "backend.loadbalancer.stickiness.cookiename" => {
            format!("{backend}.sticky.cookie.name={value}")
        }
        // No service needs a name of its own for what is behind it.
        "backend" => format!("{router}.service={object}, or nothing"),
        other if KNOWN.contains(&other.split('.').next().unwrap_or_default()) => {
            format!("{router}.… and {middleware}.… as version 3 has them")
        }
        _ => return None,
    })
}

/// First words of labels of version 1.
const KNOWN: [&str; 7] = [
    "port",
    "protocol",
    "frontend",
    "backend",
    "weight",
    "domain",
    "servicename",
];

/// A rule of version 1, `Name:value,value;Name:value`, as version 3 writes it.
fn rule(text: &str) -> String {
    let all: Vec<String> = text.split(';').filter_map(matchers).collect();
    all.join(" && ")
}

fn matchers(text: &str) -> Option<String> {
    let (name, values) = text.trim().split_once(':')?;
    let name = name.trim();
    let name = name.strip_suffix("Strip").unwrap_or(name);
    let each: Vec<String> = values
        .split(',')
        .map(|value| format!("{name}(`{}`)", value.trim()))
        .collect();
    Some(if each.len() == 1 {
        each.concat()
    } else {
        format!("({})", each.join(" || "))
    })
}
