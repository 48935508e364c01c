//! Words that labels may say.

use super::*;

#[test]
fn labels_may_say_what_holds_without_them() {
    for label in [
        ("swarmlb.enable", "true"),
        ("swarmlb.policy", "round-robin"),
        ("swarmlb.return", "tunnel"),
        ("swarmlb.task-address", "false"),
    ] {
        let (options, problems) = read(&service(&[label]));
        assert_eq!(problems, Vec::<String>::new(), "{label:?}");
        assert_eq!(options, ServiceOptions::default(), "{label:?}");
    }
}

#[test]
fn each_word_of_a_label_has_its_option() {
    let options = |label| read(&service(&[label])).0;
    for (word, policy) in [
        ("round-robin", Policy::RoundRobin),
        ("least-conn", Policy::LeastConn),
        ("source-hash", Policy::SourceHash),
        ("maglev", Policy::Maglev),
    ] {
        assert_eq!(options(("swarmlb.policy", word)).policy, policy);
    }
    for (word, local) in [("prefer", Local::Prefer), ("only", Local::Only)] {
        assert_eq!(options(("swarmlb.local", word)).local, local);
    }
}
