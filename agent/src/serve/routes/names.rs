//! Services by the names that people use for them.

use lb_core::model::ids::ServiceId;

/// Docker takes names and ids alike.
pub(super) fn is(wanted: &str, name: &str, id: &ServiceId) -> bool {
    name == wanted || id.as_str() == wanted
}

/// Says which names were probably meant, or which there are.
pub(super) fn no_such_service<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    const FEW: usize = 8;
    let names: Vec<&str> = names.collect();
    let start = format!("no service with a published port is called {wanted}");
    if names.is_empty() {
        return format!("{start}: no service has a published port");
    }
    let mut close: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (likeness(wanted, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    if !close.is_empty() {
        let close: Vec<&str> = close.into_iter().take(3).map(|(_, name)| name).collect();
        return format!("{start}: did you mean {}?", close.join(" or "));
    }
    let few = names
        .iter()
        .take(FEW)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(FEW) {
        0 => format!("{start}: there are {few}"),
        more => format!("{start}: there are {few} and {more} more"),
    }
}

/// From 0 to 1. Services of stacks are called STACK_NAME, and people forget the stack.
fn likeness(wanted: &str, name: &str) -> f64 {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    let within = wanted.len() > 2 && name.contains(&wanted);
    if within {
        0.95
    } else {
        strsim::jaro_winkler(&wanted, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(wanted: &str, names: &[&str]) -> String {
        no_such_service(wanted, names.iter().copied())
    }

    #[test]
    fn close_names_are_offered() {
        let names = ["shop_vote", "shop_result", "metrics"];
        assert_eq!(
            refusal("vote", &names),
            "no service with a published port is called vote: did you mean shop_vote?"
        );
        assert_eq!(
            refusal("metrisc", &names),
            "no service with a published port is called metrisc: did you mean metrics?"
        );
    }

    #[test]
    fn else_the_names_there_are() {
        assert_eq!(
            refusal("x", &["vote", "result"]),
            "no service with a published port is called x: there are vote, result"
        );
        let many: Vec<String> = (0..20).map(|n| format!("vote{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refusal("x", &many).ends_with("vote6, vote7 and 12 more"));
        assert!(refusal("x", &[]).ends_with(": no service has a published port"));
    }
}
