//! What a look for flows of withdrawn ports has found, and for how long that counts. The tests do what the thread does.

use super::*;
use lb_core::model::port::Proto;

const PORT: Number = (8080, Proto::Tcp);

fn chores() -> (Chores, Arc<Board>) {
    let board = Arc::new(Board::default());
    let chores = Chores(Arc::clone(&board), LastOccupancy::default());
    (chores, board)
}

/// Does the look that is requested; it finds no flow of any of the ports.
fn look(board: &Board) {
    assert!(board.wanted().drain.is_some(), "a look is requested");
    let Some(chore) = board.next() else {
        panic!("the thread is to end")
    };
    let Chore::Drain(asked) = &chore else {
        panic!("another chore")
    };
    board.tell_drained(asked, asked.ports().clone());
    board.done(&chore, false, Duration::ZERO);
}

#[test]
fn what_a_look_has_found_is_told_once_and_each_question_requests_another_look() {
    let (chores, board) = chores();
    let mut withdrawn = WithdrawnPorts::default();
    withdrawn.change([PORT].into());
    assert_eq!(chores.drained(&withdrawn), BTreeSet::new());
    for _ in 0..2 {
        look(&board);
        assert_eq!(chores.drained(&withdrawn), [PORT].into());
        assert_eq!(chores.drained(&withdrawn), BTreeSet::new());
    }
}

#[test]
fn what_was_found_of_a_port_does_not_count_when_it_is_withdrawn_again() {
    let (chores, board) = chores();
    let mut withdrawn = WithdrawnPorts::default();
    withdrawn.change([PORT].into());
    chores.drained(&withdrawn);
    look(&board);
    assert_eq!(chores.drained(&withdrawn), [PORT].into());
    // The look that this has requested finds it, too, and nobody asks before the port is published, and withdrawn again.
    look(&board);
    withdrawn.change([].into());
    withdrawn.change([PORT].into());
    assert_eq!(chores.drained(&withdrawn), BTreeSet::new());
    look(&board);
    assert_eq!(chores.drained(&withdrawn), [PORT].into());
}

#[test]
fn where_no_port_is_withdrawn_nothing_is_looked_for_and_what_was_found_is_forgotten() {
    let (chores, board) = chores();
    let mut withdrawn = WithdrawnPorts::default();
    withdrawn.change([PORT].into());
    chores.drained(&withdrawn);
    look(&board);
    let none = WithdrawnPorts::default();
    assert_eq!(chores.drained(&none), BTreeSet::new());
    assert!(board.wanted().drain.is_none());
    assert!(board.wanted().drained.is_none());
    // Nor is a look that was requested and has not begun.
    chores.drained(&withdrawn);
    chores.drained(&none);
    assert!(board.wanted().drain.is_none());
}
