//! The laboratory as people use it: the command `lab`.

use std::path::PathBuf;
use std::process::{Command, Output};

use harness::netns::Netns;
use harness::{shared, teardown};

use crate::LAB;

/// `lab` with a directory and a prefix of its own; takes it down at the end.
struct Lab {
    dir: PathBuf,
    prefix: String,
}

impl Lab {
    fn new(test: &str) -> Self {
        let prefix = format!("lbcli{test}{}", std::process::id());
        Self {
            dir: std::env::temp_dir().join(format!("swarmlb-{prefix}")),
            prefix,
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(LAB);
        command
            .arg("--dir")
            .arg(&self.dir)
            .args(args)
            .env("RUST_BACKTRACE", "0");
        command.output().unwrap()
    }

    /// Standard output of a run that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a run that must fail.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.run(&["down", "--prefix", &self.prefix]);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn up_status_exec_down() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let lab = Lab::new("all");
    let up = [
        "up",
        "--nodes",
        "2",
        "--managers",
        "2",
        "--prefix",
        &lab.prefix,
    ];
    lab.ok(&up);
    assert!(
        lab.refused(&up).contains("laboratory"),
        "a second one in its place"
    );

    let status = lab.ok(&["status"]);
    for line in [
        "node1 10.77.0.1 manager answers",
        "node2 10.77.0.2 manager answers",
    ] {
        let found = status.lines().any(|shown| {
            shown
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .starts_with(line)
        });
        assert!(found, "no `{line}` in\n{status}");
    }
    assert!(status.contains("lab down"), "{status}");

    assert_eq!(lab.ok(&["exec", "node2", "--", "hostname"]), "node2\n");
    assert!(
        lab.ok(&["exec", "client", "--", "ip", "address"])
            .contains("10.77.0.100/24")
    );
    let seven = lab.run(&["exec", "node1", "--", "sh", "-c", "exit 7"]);
    assert_eq!(seven.status.code(), Some(7));
    assert!(
        lab.refused(&["exec", "node3", "--", "true"])
            .contains("node1, node2")
    );

    lab.ok(&["down"]);
    assert_eq!(teardown::residue(&lab.prefix).to_string(), "");
    assert!(!lab.dir.exists());
    assert!(lab.ok(&["down"]).contains("nothing to do"));
    assert!(lab.refused(&["status"]).contains("lab up"));
}

#[test]
fn a_lost_directory_is_no_obstacle() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let lab = Lab::new("lost");
    // Stands for all that a laboratory is when only its description is gone.
    let _left = Netns::create(&format!("{}-node1", lab.prefix)).unwrap();
    let up = ["up", "--nodes", "1", "--prefix", &lab.prefix];
    assert!(
        lab.refused(&up)
            .contains(&format!("lab down --prefix {}", lab.prefix))
    );
    lab.ok(&["down", "--prefix", &lab.prefix]);
    assert_eq!(teardown::residue(&lab.prefix).to_string(), "");
}

#[test]
fn what_cannot_be_is_said_in_one_sentence() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let lab = Lab::new("no");
    let with = |options: &[&str]| {
        let up = [&["up", "--prefix", &lab.prefix], options].concat();
        let error = lab.refused(&up);
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert!(with(&["--nodes", "0"]).contains("1 to 99 nodes, not 0"));
    assert!(with(&["--nodes", "2", "--managers", "3"]).contains("not 3"));
    assert_eq!(teardown::residue(&lab.prefix).to_string(), "");
}
