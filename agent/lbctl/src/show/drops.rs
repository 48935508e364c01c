//! `lbctl drops`.

use crate::human::count;
use crate::table::{self, numbers, words};
use lb_core::report::Drops;

/// `all`: also reasons that never applied.
pub(crate) fn text(drops: &Drops, all: bool) -> String {
    let rows: Vec<Vec<String>> = drops
        .drops
        .iter()
        .filter(|drop| all || drop.packets > 0)
        .map(|drop| {
            vec![
                drop.reason.clone(),
                count(drop.packets),
                drop.meaning.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nothing was dropped\n".to_owned();
    }
    let columns = [words("REASON"), numbers("PACKETS"), words("MEANING")];
    table::text(&columns, &rows, None)
}
