//! Words for tasks that are not what the managers want of them.

use super::*;

#[test]
fn the_word_for_a_task_follows_from_what_it_does_and_from_what_is_wanted_of_it() {
    use {DesiredState as D, TaskState as T};
    let snapshot = swarm();
    for (state_of, desired, word) in [
        (T::Pending, D::Ready, "starting"),
        (T::Pending, D::Ended, "stopping"),
        (T::Starting, D::Unknown, "starting"),
        (T::Starting, D::Ended, "stopping"),
        (T::Running, D::Ready, "draining"),
        (T::Running, D::Ended, "draining"),
        (T::Running, D::Unknown, "unknown"),
        (T::Unknown, D::Ended, "unknown"),
        (T::Ended, D::Running, "ended"),
    ] {
        let task = Task {
            state: state_of,
            desired,
            ..task("a", "y", 1)
        };
        assert_eq!(state(&snapshot, &task), word, "{state_of:?}, {desired:?}");
    }
}
