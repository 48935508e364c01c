//! Bounds of what `check` says of labels that can't be served.

use super::*;

#[test]
fn of_a_list_five_entries_that_make_no_sense_are_named_and_of_more_the_number() {
    let said = |entries: &[&str]| {
        let told = complaints(&[("swarmlb.publish", &entries.join(","))]);
        let [message] = &told[..] else {
            panic!("{told:?}")
        };
        let (_, bad) = message.split_once(": `").unwrap();
        let (bad, _) = bad.split_once(" is no PUBLISHED").unwrap();
        bad.to_owned()
    };
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    assert_eq!(said(&all[..5]), "a`, `b`, `c`, `d`, `e`");
    assert_eq!(said(&all[..6]), "a`, `b`, `c`, `d`, `e` and 1 more");
    assert_eq!(said(&all), "a`, `b`, `c`, `d`, `e` and 2 more");
}

#[test]
fn sixteen_labels_are_named_and_of_more_the_number() {
    let told = |count: usize| {
        let labels: Vec<_> = (0..count).map(|n| format!("swarmlb.x{n:02}")).collect();
        let labels: Vec<_> = labels.iter().map(|label| (label.as_str(), "")).collect();
        complaints(&labels)
    };
    assert_eq!(told(16).len(), 16);
    assert!(told(16)[15].contains("swarmlb.x15="));
    let more = told(18);
    assert_eq!(more.len(), 17);
    assert_eq!(
        more[16],
        "service vote: 2 more of its labels can't be served"
    );
}

#[test]
fn a_text_is_cut_where_it_is_too_long_and_never_within_a_letter() {
    for (text, cut) in [
        ("12345", "12345"),
        ("123456", "12345…"),
        ("1234ä6", "1234…"),
        ("", ""),
    ] {
        assert_eq!(short(text, 5), cut);
    }
}

#[test]
fn labels_are_equal_if_they_say_the_same_and_are_read_alike_by_all() {
    let read = |value| service(&[("swarmlb.policy", value)]).labels;
    assert_eq!(read("maglev"), read("maglev"));
    assert_ne!(read("maglev"), read("source-hash"));
    let json = serde_json::to_string(&read("maglev")).unwrap();
    assert_eq!(json, r#"{"swarmlb.policy":"maglev"}"#);
    let told: Labels = serde_json::from_str(&json).unwrap();
    assert_eq!(told.options().policy, Policy::Maglev);
}
