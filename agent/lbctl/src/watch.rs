//! `stats --watch`: repeats the report, in place on a terminal, one after the other elsewhere.

use crate::ask::Agent;
use crate::cli::StatsArgs;
use crate::failure::Failure;
use crate::{out, rates, show};
use lb_core::report::Stats;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// Repeats the report until Ctrl-C. An error of the first request ends it; later errors may be temporary (an agent
/// that is being upgraded), so they are shown.
pub(crate) async fn run(
    agent: &Agent,
    asked: &StatsArgs,
    every: Duration,
    json: bool,
) -> Result<(), Failure> {
    tokio::select! {
        ended = watch(agent, asked, every, json) => ended,
        signal = tokio::signal::ctrl_c() => signal.map_err(Failure::Write),
    }
}

async fn watch(
    agent: &Agent,
    asked: &StatsArgs,
    every: Duration,
    json: bool,
) -> Result<(), Failure> {
    let path = asked.path();
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Instant, Stats)> = None;
    let mut first = true;
    loop {
        clock.tick().await;
        let stats: Stats = match agent.ask(&path).await {
            Ok(stats) => stats,
            Err(failure) if first => return Err(failure),
            Err(failure) => {
                out::print_error(&failure);
                continue;
            }
        };
        let now = Instant::now();
        if json {
            out::write(&format!("{}\n", out::line(&stats)?))?;
        } else {
            let terminal = out::terminal();
            let width = terminal.map(|(width, _)| width);
            let before = before
                .as_ref()
                .map(|(then, stats)| (stats, now.duration_since(*then)));
            let text = if asked.http {
                show::http::text(&stats, Some(before), width)
            } else {
                let rates = before.map_or_else(rates::Rates::default, |(before, time)| {
                    rates::between(before, &stats, time)
                });
                show::stats::text(&stats, Some(&rates), width)
            };
            match terminal {
                Some(size) => out::write(&frame(&text, size, first))?,
                None if first => out::write(&text)?,
                None => out::write(&format!("\n{text}"))?,
            }
        }
        before = Some((now, stats));
        first = false;
    }
}

/// Overwrites the screen line by line, so that it does not flicker.
fn frame(text: &str, (width, height): (usize, usize), first: bool) -> String {
    const HOME: &str = "\x1b[H";
    const CLEAR_LINE: &str = "\x1b[K\n";
    const CLEAR_BELOW: &str = "\x1b[J";
    let lines = text.lines().count();
    // The last line of the screen is the cursor's; the one before may be the note.
    let room = height.saturating_sub(1).max(1);
    let shown = if lines > room {
        room.saturating_sub(1)
    } else {
        lines
    };
    let mut frame = String::from(if first { "\x1b[2J" } else { "" });
    frame.push_str(HOME);
    for line in text.lines().take(shown) {
        frame.extend(line.chars().take(width));
        frame.push_str(CLEAR_LINE);
    }
    if lines > shown {
        let more = format!("… {} more lines", lines - shown);
        frame.extend(more.chars().take(width));
        frame.push_str(CLEAR_LINE);
    }
    frame.push_str(CLEAR_BELOW);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_replaces_the_one_before() {
        assert_eq!(
            frame("ab\nc\n", (80, 24), true),
            "\x1b[2J\x1b[Hab\x1b[K\nc\x1b[K\n\x1b[J"
        );
        assert_eq!(frame("ab\n", (80, 24), false), "\x1b[Hab\x1b[K\n\x1b[J");
    }

    #[test]
    fn a_frame_never_outgrows_the_screen() {
        let text = "0123456789\n".repeat(10);
        let frame = frame(&text, (4, 5), false);
        assert_eq!(frame.matches('\n').count(), 4);
        assert!(frame.contains("0123\x1b[K"));
        assert!(frame.contains("… 7 "), "{frame}");
    }
}
