//! Tables like those of `docker ps`: without borders, and on a narrow terminal without the least important
//! columns.

use crate::out::harmless;
use comfy_table::{Cell, CellAlignment, presets::NOTHING};

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    head: &'static str,
    right: bool,
    /// On a narrow terminal, columns with a higher number are left out first; those with 0 never.
    spare: u8,
}

/// A column of text.
pub(crate) const fn words(head: &'static str) -> Column {
    Column {
        head,
        right: false,
        spare: 0,
    }
}

/// A column of numbers.
pub(crate) const fn numbers(head: &'static str) -> Column {
    Column {
        head,
        right: true,
        spare: 0,
    }
}

impl Column {
    /// Lets the column be left out on a narrow terminal; higher numbers first.
    pub(crate) const fn spare(mut self, rank: u8) -> Self {
        self.spare = rank;
        self
    }
}

/// The table, ending in a newline. Without `width` all columns are there.
pub(crate) fn text(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> String {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    loop {
        let text = drawn(columns, rows, &shown);
        let needed = text.lines().map(|line| line.chars().count()).max();
        let fits = width.is_none_or(|width| needed.unwrap_or_default() <= width);
        let spare = shown
            .iter()
            .filter_map(|index| columns.get(*index).map(|column| (column.spare, *index)))
            .filter(|(rank, _)| *rank > 0)
            .max();
        match spare {
            Some((_, goes)) if !fits => shown.retain(|index| *index != goes),
            _ => return text,
        }
    }
}

fn drawn(columns: &[Column], rows: &[Vec<String>], shown: &[usize]) -> String {
    let cell = |index: &usize, text: &str| {
        let right = columns.get(*index).is_some_and(|column| column.right);
        let alignment = if right {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        };
        Cell::new(harmless(text)).set_alignment(alignment)
    };
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING);
    table.set_header(shown.iter().filter_map(|index| {
        let column = columns.get(*index)?;
        Some(cell(index, column.head))
    }));
    for row in rows {
        let texts = shown
            .iter()
            .map(|index| (index, row.get(*index).map_or("", String::as_str)));
        table.add_row(texts.map(|(index, text)| cell(index, text)));
    }
    let last = shown.len().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if place == last { 0 } else { 3 }));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: Option<usize>) -> String {
        let columns = [
            words("NAME"),
            words("ADDRESS").spare(1),
            numbers("NEW").spare(2),
            numbers("BYTES"),
        ];
        let rows = ["1.2 kB", "17 B"].map(|bytes| {
            ["vote.1", "192.0.2.1", "7", bytes]
                .map(str::to_owned)
                .to_vec()
        });
        text(&columns, &rows, width)
    }

    #[test]
    fn columns_line_up_without_borders_and_trailing_spaces() {
        assert_eq!(
            shown(None),
            "NAME     ADDRESS     NEW    BYTES\n\
             vote.1   192.0.2.1     7   1.2 kB\n\
             vote.1   192.0.2.1     7     17 B\n"
        );
        assert_eq!(shown(Some(33)), shown(None));
    }

    #[test]
    fn what_can_be_spared_goes_in_order() {
        assert!(shown(Some(32)).starts_with("NAME     ADDRESS      BYTES\n"));
        assert!(shown(Some(20)).starts_with("NAME      BYTES\n"));
        assert!(shown(Some(1)).starts_with("NAME      BYTES\n"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let row = vec!["vote\u{1b}[2J\nx".to_owned()];
        let text = text(&[words("NAME")], &[row], None);
        assert_eq!(text, "NAME\nvote\u{fffd}[2J\u{fffd}x\n");
    }
}
