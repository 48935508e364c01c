//! The socket file: who may open it, whom it belongs to, when it goes.

use crate::agent::{Agent, command, runtime};
use agent::serve::{BindError, bind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_directory_is_made_and_the_file_is_for_root_alone() {
    let agent = Agent::start();
    assert_eq!(mode(&agent.socket), 0o600);
    assert_eq!(mode(agent.socket.parent().unwrap()), 0o755);
    let entries = std::fs::read_dir(agent.socket.parent().unwrap()).unwrap();
    assert_eq!(entries.count(), 1, "nothing else is left in the directory");
}

#[test]
fn at_no_moment_can_others_open_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let seen = AtomicU32::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir(directory.path()).unwrap().flatten() {
                    // It may be gone again.
                    let Ok(found) = entry.metadata() else {
                        continue;
                    };
                    assert!(found.file_type().is_socket());
                    assert_eq!(found.permissions().mode() & 0o777, 0o600);
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        runtime().block_on(async {
            let start = Instant::now();
            let mut rounds = 0;
            // On a busy machine the watcher may get its turn after them all.
            while rounds < 500 || seen.load(Ordering::Relaxed) < 100 && !watcher.is_finished() {
                drop(bind(&path).await.unwrap());
                rounds += 1;
                if start.elapsed() > Duration::from_secs(60) {
                    break;
                }
            }
        });
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        assert!(seen.load(Ordering::Relaxed) >= 100, "{seen:?}");
    });
}

#[test]
fn the_leftover_of_a_dead_agent_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(UnixStream::connect(&path).is_err());
    runtime().block_on(async {
        let listener = bind(&path).await.unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(mode(&path), 0o600);
        drop(listener);
        assert!(!path.exists());
    });
}

#[test]
fn a_live_agent_keeps_its_socket() {
    let agent = Agent::start();
    let refused = runtime().block_on(bind(&agent.socket)).unwrap_err();
    assert!(matches!(refused, BindError::Taken { .. }));
    assert_eq!(
        refused.to_string(),
        format!(
            "another agent answers on {}: stop it first, or give this one another --socket",
            agent.socket.display()
        )
    );
    assert_eq!(agent.lbctl(&["status"]).code, Some(0));
}

#[test]
fn other_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    std::fs::write(&path, "precious").unwrap();
    let refused = runtime().block_on(bind(&path)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is not a socket: remove it, or choose another path with --socket",
            path.display()
        )
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_stop_removes_the_socket_also_with_clients_that_hang_on() {
    let mut agent = Agent::start();
    let idle = UnixStream::connect(&agent.socket).unwrap();
    assert_eq!(agent.lbctl(&["status"]).code, Some(0));
    let start = Instant::now();
    agent.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!agent.socket.exists());
    drop(idle);
}

#[test]
fn a_successors_socket_is_not_removed() {
    let mut agent = Agent::start();
    std::fs::remove_file(&agent.socket).unwrap();
    let successor = UnixListener::bind(&agent.socket).unwrap();
    agent.stop();
    assert!(UnixStream::connect(&agent.socket).is_ok());
    drop(successor);
}

/// In a process of its own, where file descriptors run out.
#[test]
fn running_out_of_descriptors_is_survived() {
    const INNER: &str = "LBCTL_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(INNER).is_none() {
        let name = "socket::running_out_of_descriptors_is_survived";
        let test = std::env::current_exe().unwrap();
        let ran = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 48 && exec \"$0\" --exact \"$1\""])
            .arg(test)
            .arg(name)
            .env(INNER, "1")
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{out}");
        assert!(out.contains("1 passed"), "{out}");
        return;
    }
    let agent = Agent::start();
    let mut clients = Vec::new();
    let full = loop {
        match UnixStream::connect(&agent.socket) {
            Ok(client) => clients.push(client),
            Err(full) => break full,
        }
    };
    let too_many = Some(nix::errno::Errno::EMFILE as i32);
    assert_eq!(full.raw_os_error(), too_many, "{full}");
    // The server meets it as well: there are clients that it cannot accept.
    std::thread::sleep(Duration::from_millis(200));
    clients.clear();
    let ran = command(&agent.socket).args(["status", "--quiet"]).status();
    assert_eq!(ran.unwrap().code(), Some(0));
}
