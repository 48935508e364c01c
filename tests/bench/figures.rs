//! Results: the middle of several rounds and how far they were apart, in tables for people and
//! as JSON.

use std::fmt;

use serde::Serialize;

/// Median, least and most of several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one round; none gives zeros.
    pub(crate) fn of(rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        Self {
            // Of an even number the two in the middle, of an odd one the same twice.
            median: f64::midpoint(at(last / 2), at(sorted.len() / 2)),
            least: at(0),
            most: at(last),
        }
    }
}

/// One table.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// Heading of the table.
    pub(crate) title: String,
    /// Headings of the columns.
    pub(crate) columns: Vec<&'static str>,
    /// A name, and a figure for each column.
    pub(crate) rows: Vec<Row>,
}

/// One line of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cells: Vec<Cell>,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    /// Of several rounds, with this many digits after the point.
    Spread(Spread, #[serde(skip)] usize),
    /// One number, likewise.
    Number(f64, #[serde(skip)] usize),
    /// A word.
    Text(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread(spread, digits) => {
                let Spread {
                    median,
                    least,
                    most,
                } = spread;
                write!(f, "{median:.digits$} ({least:.digits$} to {most:.digits$})")
            }
            Self::Number(number, digits) => write!(f, "{number:.digits$}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// As Markdown, its columns aligned for people who read it as it is.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![self.columns.iter().map(ToString::to_string).collect()];
        lines.extend(self.rows.iter().map(|row| {
            let cells = row.cells.iter().map(ToString::to_string);
            std::iter::once(row.name.clone())
                .chain(cells)
                .collect::<Vec<String>>()
        }));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        writeln!(f, "### {}\n", self.title)?;
        for (number, line) in lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                write!(f, "| {cell:<width$} ", width = width(column))?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for column in 0..line.len() {
                    write!(f, "|{}", "-".repeat(width(column) + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
