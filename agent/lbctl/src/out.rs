//! Standard output and standard error.

use crate::failure::Failure;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use terminal_size::{Height, Width};

/// Writes it all, now.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NobodyReads,
        _ => Failure::Write(error),
    })
}

/// Says on standard error what went wrong, unless it went right.
pub(crate) fn print_error(failure: &Failure) {
    if !matches!(failure, Failure::NobodyReads) {
        // Where standard error is closed, the exit code has to do.
        let _ = writeln!(io::stderr(), "lbctl: {}", harmless(failure));
    }
}

/// The report as it came, for reading.
pub(crate) fn pretty<T: Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Write(error.into()))
}

/// The report as it came, on one line.
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

/// Labels and names come from whoever may deploy: no control characters to the terminal.
pub(crate) fn harmless(text: impl Display) -> String {
    let text = text.to_string();
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
