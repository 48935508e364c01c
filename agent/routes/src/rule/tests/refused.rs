//! Texts that are no rules.

use super::*;

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_remedy() {
    for (text, expected) in [
        (
            "",
            "rule, character 1: a matcher such as Host(`example.com`) is expected, and the end is there",
        ),
        (
            "Hots(`a`)",
            "rule, character 1: no matcher is called Hots: did you mean Host?",
        ),
        (
            "Plugin(`a`)",
            "rule, character 1: no matcher is called Plugin",
        ),
        (
            "Host(`a`) & Host(`b`)",
            "rule, character 11: &&, || or the end is expected, and `&` is there",
        ),
        (
            "Host(a)",
            "rule, character 6: a text between backquotes is expected, and `a` is there",
        ),
        (
            "Host(`a`",
            "rule, character 9: , or ) is expected, and the end is there",
        ),
        ("Host(`a", "rule, character 6: this text has no closing `"),
        (
            "(Host(`a`)",
            "rule, character 11: &&, || or ) is expected, and the end is there",
        ),
        (
            "Host(`ä`) && Host(`a b`)",
            "rule, character 1: \"ä\" is no host: write a name such as `example.com` or `*.example.com`",
        ),
        (
            "Host(`a`) || Path(`a`)",
            "rule, character 14: \"a\" is no path: a path begins with /",
        ),
        (
            "Header(`a`)",
            "rule, character 1: Header wants a field's name and its value",
        ),
        (
            "Query(`a`, `b`, `c`)",
            "rule, character 1: Query wants a key and its value",
        ),
        (
            "ClientIP(`a`)",
            "rule, character 1: \"a\" is no address or network: write one such as `192.0.2.0/24`",
        ),
        (
            "Path(`/{a`)",
            "rule, character 1: \"/{a\" has a { without its }",
        ),
    ] {
        assert_eq!(
            text.parse::<Rule>().unwrap_err().to_string(),
            expected,
            "{text}"
        );
    }
    let regex = "PathRegexp(`(`)".parse::<Rule>().unwrap_err();
    assert!(
        matches!(regex.problem, RuleProblem::Regex { .. }),
        "{regex}"
    );
}

#[test]
fn a_rule_without_bounds_is_refused() {
    let long = format!("Path(`/{}`)", "a".repeat(9000));
    assert_eq!(long.parse::<Rule>().unwrap_err().problem, RuleProblem::Long);
    let deep = format!("{}Host(`a`){}", "(".repeat(40), ")".repeat(40));
    assert_eq!(deep.parse::<Rule>().unwrap_err().problem, RuleProblem::Deep);
    let nots = format!("{}Host(`a`)", "!".repeat(40));
    assert_eq!(nots.parse::<Rule>().unwrap_err().problem, RuleProblem::Deep);
    // Beside each other there may be as many as fit.
    let many = vec!["(Host(`a`))"; 500].join(" || ");
    assert_eq!(rule(&many).matchers().count(), 500);
    let huge = "PathRegexp(`(a{1000}){1000}`)".parse::<Rule>().unwrap_err();
    assert!(matches!(huge.problem, RuleProblem::Regex { .. }), "{huge}");
}
