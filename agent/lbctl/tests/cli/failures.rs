//! One sentence for each way not to get an answer, and its exit code.

use crate::agent::{Agent, Ran, command, lbctl};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

#[track_caller]
fn fails(ran: &Ran, code: i32, message: &str) {
    assert_eq!(ran.err, format!("lbctl: {message}\n"));
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""));
}

/// Something else on a socket, which answers the first request with `answer`.
fn stranger(answer: &'static str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        assert_ne!(client.read(&mut request).unwrap(), 0);
        client.write_all(answer.as_bytes()).unwrap();
        // Until the client hangs up.
        while client.read(&mut request).is_ok_and(|read| read > 0) {}
    });
    (directory, path)
}

fn no_agent(path: &Path) -> String {
    format!(
        "no agent answers at {}: is swarmlb running on this node? (docker service ps lb_agent)",
        path.display()
    )
}

#[test]
fn no_socket_or_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    fails(&lbctl(&path, &["status"]), 3, &no_agent(&path));
    drop(UnixListener::bind(&path).unwrap());
    fails(&lbctl(&path, &["stats", "--watch"]), 3, &no_agent(&path));
    let quiet = lbctl(&path, &["status", "--quiet"]);
    assert_eq!(
        (quiet.code, quiet.out.len(), quiet.err.len()),
        (Some(3), 0, 0)
    );
}

#[test]
fn the_argument_wins_over_the_environment() {
    let agent = Agent::start();
    let other = Path::new("/nowhere/agent.sock");
    let ran = agent.lbctl(&["services", "--socket", "/nowhere/agent.sock"]);
    fails(&ran, 3, &no_agent(other));
}

#[test]
fn only_root_may_ask() {
    let agent = Agent::start();
    let root = nix::unistd::geteuid().is_root();
    let run = |arguments: &[&str]| {
        // Others must be able to start the program and to see the socket.
        let program = agent.directory.path().join("lbctl");
        std::fs::copy(env!("CARGO_BIN_EXE_lbctl"), &program).unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(agent.directory.path(), open).unwrap();
        let mut command = std::process::Command::new(program);
        command.args(arguments).env("SWARMLB_SOCKET", &agent.socket);
        if root {
            command.uid(65_534).gid(65_534);
        } else {
            let closed = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(&agent.socket, closed).unwrap();
        }
        loop {
            match command.output() {
                // Another test forked while the copy was being written.
                Err(busy) if busy.kind() == ErrorKind::ExecutableFileBusy => {}
                output => return Ran::from(output.unwrap()),
            }
        }
    };
    let message = format!(
        "no permission to open {}: run as root or in the agent's container: docker exec AGENT lbctl …",
        agent.socket.display()
    );
    fails(&run(&["status"]), 3, &message);
}

#[test]
fn nothing_known_yet() {
    let agent = Agent::start();
    *agent.source.0.lock().unwrap() = None;
    let message = "nothing is known of the Swarm yet: waiting for a manager";
    let explain = ["explain", "203.0.113.7", "alpha:80"];
    fails(&agent.lbctl(&explain), 1, message);
    for verb in ["services", "nodes", "stats", "drops", "flows", "check"] {
        fails(&agent.lbctl(&[verb]), 1, message);
    }
}

#[test]
fn an_agent_of_another_version() {
    let (_directory, path) =
        stranger("HTTP/1.1 200 OK\r\nserver: swarmlb/9.9.9\r\ncontent-length: 2\r\n\r\n{}");
    let message = format!(
        "the agent at {} is version 9.9.9 and lbctl is {}: use the agent's own: docker exec AGENT lbctl …",
        path.display(),
        env!("CARGO_PKG_VERSION")
    );
    fails(&lbctl(&path, &["services"]), 3, &message);
}

#[test]
fn something_that_is_no_agent() {
    let start = |path: &Path| {
        format!(
            "lbctl: what answers at {} is no agent of swarmlb: ",
            path.display()
        )
    };
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope",
        "220 mail.example.com ESMTP\r\n",
    ] {
        let (_directory, path) = stranger(answer);
        let ran = lbctl(&path, &["services"]);
        assert_eq!(ran.code, Some(3));
        assert!(ran.err.starts_with(&start(&path)), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1);
    }
}

#[test]
fn an_agent_that_hangs() {
    let (_directory, path) = stranger("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{");
    let message = format!("the agent at {} did not answer within 5 s", path.display());
    fails(&lbctl(&path, &["services"]), 3, &message);
}

#[test]
fn wrong_usage() {
    let agent = Agent::start();
    for wrong in [
        &["frobnicate"][..],
        &["stats", "--watch", "0"],
        &["stats", "--service"],
        &[],
    ] {
        let ran = agent.lbctl(wrong);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{wrong:?}");
        assert_ne!(ran.err, "");
    }
    let help = String::from_utf8(
        command(&agent.socket)
            .arg("--help")
            .output()
            .unwrap()
            .stdout,
    );
    assert!(help.unwrap().contains("  3  no agent can be reached"));
}
