//! What is computed when labels change.

use super::*;

#[test]
fn a_change_of_labels_is_computed_for_its_service_and_no_other() {
    let hosts = |host| [("com.docker.lb.hosts", host), WEB[1]];
    let other = Service {
        name: "other".to_owned(),
        ..with(&hosts("c.example"))
    };
    let published = service("published", vec![port(Proto::Tcp, 8080, 80)]);
    let mut snapshot = view(with(&WEB));
    snapshot.services.insert("other".into(), other.clone());
    snapshot.services.insert("published".into(), published);
    let first = Incremental::full(&snapshot, &node(), &ON);
    snapshot.services.get_mut(&"s".into()).unwrap().labels = labels(&hosts("b.example"));
    let second = first.clone().update(&snapshot, &node(), &ON);
    let served = |of: &Incremental, id| Arc::clone(&of.desired.services[&Key::of(id)]);
    let same = |id| Arc::ptr_eq(&served(&first, id), &served(&second, id));
    assert_eq!(["other", "published", "s"].map(same), [true, true, false]);
    let told = |of: &Incremental, id: &str| Arc::clone(&of.desired.routed[&id.into()]);
    assert!(Arc::ptr_eq(&told(&first, "other"), &told(&second, "other")));
    assert_eq!(
        told(&second, "s").labels["com.docker.lb.hosts"],
        "b.example"
    );
    // So it is with a service that comes, and one that goes.
    snapshot.services.insert("new".into(), other);
    snapshot.services.remove(&"other".into());
    let third = second.clone().update(&snapshot, &node(), &ON);
    assert!(Arc::ptr_eq(
        &served(&second, "published"),
        &served(&third, "published")
    ));
    let ids: Vec<&str> = third.desired.routed.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["new", "s"]);
    assert!(!third.desired.services.contains_key(&Key::of("other")));
    assert_eq!(third.problems(), [], "nobody has its rule any more");
}

#[test]
fn what_is_told_of_labels_that_are_too_long_is_told_of_those_of_now() {
    let long = |bytes| "x".repeat(bytes);
    let mut snapshot = view(with(&[WEB[0], WEB[1], ("traefik.x", &long(70_000))]));
    let before = Incremental::full(&snapshot, &node(), &ON);
    snapshot.services.get_mut(&"s".into()).unwrap().labels =
        labels(&[WEB[0], WEB[1], ("traefik.x", &long(80_000))]);
    let after = before.update(&snapshot, &node(), &ON);
    assert_eq!(
        after.problems(),
        Incremental::full(&snapshot, &node(), &ON).problems()
    );
}
