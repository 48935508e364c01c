//! The task of a container, by the container's name.

use lb_core::model::ids::TaskId;

/// Label that Swarm sets on the containers of tasks. An image can have it too, and with it all of its containers.
const TASK_ID: &str = "com.docker.swarm.task.id";

/// The task whose container this is, by the value of one of its labels and by its names.
///
/// Swarm names the container SERVICE.SLOT.TASK. An image can't name containers, and a user who can name containers
/// has the engine's socket, and with it the node.
pub(super) fn task<'a>(
    label: impl FnOnce(&str) -> Option<&'a String>,
    names: impl IntoIterator<Item = &'a String>,
) -> Option<TaskId> {
    let id = label(TASK_ID).filter(|id| !id.is_empty())?;
    let bears_it = |name: &String| {
        let before = name.strip_suffix(id.as_str());
        before.is_some_and(|before| before.ends_with('.'))
    };
    names.into_iter().any(bears_it).then(|| id.as_str().into())
}

#[test]
fn a_label_alone_makes_no_container_a_tasks() {
    let told = |label: Option<&str>, names: &[&str]| {
        let label = label.map(str::to_owned);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        task(|_| label.as_ref(), &names).map(|task| task.to_string())
    };
    let own = Some("t1".to_owned());
    assert_eq!(told(Some("t1"), &["/vote.1.t1"]), own);
    assert_eq!(told(Some("t1"), &["vote.1.t1"]), own, "as events have it");
    // Of a global service, and of one whose name has a point in it.
    assert_eq!(told(Some("t1"), &["/vote.a.node2.t1"]), own);
    assert_eq!(told(Some("t1"), &["/web/db", "/vote.1.t1"]), own);
    for names in [
        &[][..],
        &["/bold_curie"],
        &["/t1"],
        &["/not1"],
        &["/vote.1.t11"],
        &["/t1.1.t2"],
    ] {
        assert_eq!(told(Some("t1"), names), None, "{names:?}");
    }
    assert_eq!(told(None, &["/vote.1.t1"]), None);
    assert_eq!(told(Some(""), &["/vote.1."]), None);
}
