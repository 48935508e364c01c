//! Commands of the machine (`ip`, `docker`, …), with errors that name them.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// `program args…`, not yet started.
pub fn command<A: AsRef<std::ffi::OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a line whose words contain no blanks, and returns what it wrote.
pub fn run(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command")?;
    stdout(&mut command(program, words))
}

/// Runs a command to its end; an error unless it exits with 0.
pub fn stdout(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}`: {}: {}",
            describe(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// Runs a command to its end, whatever its exit code.
pub fn output(command: &mut Command) -> Result<Output> {
    // A harness command never reads the terminal of whoever runs the tests.
    command.stdin(Stdio::null());
    command
        .output()
        .with_context(|| format!("running `{}`", describe(command)))
}

/// The command as somebody would type it.
#[must_use]
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
