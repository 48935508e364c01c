//! Signals that stop programs.
//!
//! Docker reports every `kill`, also those that only ask a program to re-read its
//! configuration or its logs to be reopened.

/// Does this `signal` of a `kill` event, by number or name, stop programs?
///
/// TERM and KILL are Docker's own; INT, QUIT, WINCH and RTMIN+3 are what images name as
/// their stop signal (PostgreSQL, nginx, Apache httpd, systemd).
#[must_use]
pub fn stops(signal: &str) -> bool {
    let signal = signal.trim().to_ascii_uppercase();
    let name = signal.strip_prefix("SIG").unwrap_or(&signal);
    // RTMIN+3 is 37 by the count that Docker uses.
    matches!(
        name,
        "2" | "3"
            | "9"
            | "15"
            | "28"
            | "37"
            | "INT"
            | "QUIT"
            | "KILL"
            | "TERM"
            | "WINCH"
            | "RTMIN+3"
    )
}

#[cfg(test)]
mod tests {
    use super::stops;

    #[test]
    fn numbers_and_names_mean_the_same() {
        for stop in [
            "15",
            "9",
            "2",
            "3",
            "28",
            "37",
            "SIGTERM",
            "TERM",
            "term",
            "sigkill",
            "SIGINT",
            "QUIT",
            "SIGWINCH",
            "SIGRTMIN+3",
            " 15 ",
        ] {
            assert!(stops(stop), "{stop}");
        }
    }

    #[test]
    fn other_signals_take_no_task_out() {
        for other in [
            "1", "10", "12", "18", "19", "SIGHUP", "HUP", "SIGUSR1", "USR2", "SIGCONT", "", "SIG",
            "150", "-15", "RTMIN+4",
        ] {
            assert!(!stops(other), "{other}");
        }
    }
}
