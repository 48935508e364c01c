//! Standard output and standard error.

use crate::failure::Failure;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use terminal_size::{Height, Width};

/// Writes all of the text, and flushes.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NobodyReads,
        _ => Failure::Write(error),
    })
}

/// Prints the error on standard error, unless it is that the reader of the output is gone.
pub(crate) fn print_error(failure: &Failure) {
    if !matches!(failure, Failure::NobodyReads) {
        // If standard error is closed, only the exit code is left.
        let _ = writeln!(io::stderr(), "lbctl: {}", harmless(failure));
    }
}

/// The agent's report as indented JSON.
pub(crate) fn pretty<T: Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Write(error.into()))
}

/// The agent's report as JSON on one line.
pub(crate) fn line<T: Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string(report).map_err(|error| Failure::Write(error.into()))
}

/// Columns and lines of the terminal, if the output goes to one.
pub(crate) fn terminal() -> Option<(usize, usize)> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let (Width(columns), Height(lines)) = terminal_size::terminal_size_of(out)?;
    Some((columns.into(), lines.into()))
}

/// Columns of the terminal, if the output goes to one.
pub(crate) fn width() -> Option<usize> {
    terminal().map(|(columns, _)| columns)
}

/// Replaces control characters: users who deploy services choose labels and names, which go to the terminal.
pub(crate) fn harmless(text: impl Display) -> String {
    let text = text.to_string();
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
