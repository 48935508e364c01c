//! The agent's end: hands over a socket and says what is routed.

use super::session::Session;
use super::task::Task;
use lb_router_wire::certificates::Certificate;
use lb_router_wire::stats::Stats;
use lb_router_wire::{Change, Service, ToAgent, ToRouter, View};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A router that serves on a port of this test's own.
pub(crate) struct Router {
    /// Where it serves HTTP.
    pub(crate) http: SocketAddr,
    /// Where it serves HTTP by TLS.
    pub(crate) https: SocketAddr,
    /// The sockets of both, in this order.
    sockets: Vec<OwnedFd>,
    agent: UnixListener,
    directory: TempDir,
    session: Session,
    child: Child,
    /// Lines of the access log.
    log: Receiver<String>,
    version: u64,
}

impl Router {
    /// Starts one with these services.
    pub(crate) fn start(services: &[Service]) -> Self {
        Self::start_with(services, &[])
    }

    /// Starts one with these services and arguments.
    pub(crate) fn start_with(services: &[Service], arguments: &[&str]) -> Self {
        Self::start_after(services, arguments, |_| {})
    }

    /// Starts one once the directory of its certificates is prepared.
    pub(crate) fn start_after(
        services: &[Service],
        arguments: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let sockets = [0; 2].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
        }
        Self::start_on(sockets, services, arguments, prepare)
    }

    /// Starts another one on the sockets of this one, with the same certificates, as an update of a Swarm's service
    /// does.
    pub(crate) fn successor(&self, services: &[Service]) -> Self {
        let sockets = [&self.sockets[0], &self.sockets[1]];
        let sockets = sockets.map(|socket| TcpListener::from(socket.try_clone().unwrap()));
        Self::start_on(sockets, services, &[], |directory| {
            for file in std::fs::read_dir(self.certificates()).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), directory.join(file.file_name())).unwrap();
            }
        })
    }

    fn start_on(
        sockets: [TcpListener; 2],
        services: &[Service],
        arguments: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let agent = UnixListener::bind(directory.path().join("agent.sock")).unwrap();
        let [http, https] = sockets
            .each_ref()
            .map(|socket| socket.local_addr().unwrap());
        let sockets = sockets.map(OwnedFd::from).into();
        let certificates = directory.path().join("certificates");
        std::fs::create_dir(&certificates).unwrap();
        prepare(&certificates);
        let (child, log) = spawn(directory.path(), arguments);
        let (session, _) = Session::accept(&agent);
        let mut router = Self {
            http,
            https,
            sockets,
            agent,
            directory,
            session,
            child,
            log,
            version: 0,
        };
        router.session.hand_over(&router.sockets);
        router.view(services);
        router
    }

    /// The directory of its certificates.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.directory.path().join("certificates")
    }

    /// These services are all that is routed; returns once they are in force.
    pub(crate) fn view(&mut self, services: &[Service]) {
        self.version += 1;
        let view = View {
            version: self.version,
            services: services.to_vec(),
        };
        self.session.say(ToRouter::View(view));
        self.session.applied(self.version);
    }

    /// These services differ; returns once they are in force.
    pub(crate) fn change(&mut self, services: &[Service]) {
        let change = Change {
            from: self.version,
            to: self.version + 1,
            services: services.to_vec(),
            removed: Vec::new(),
        };
        self.version += 1;
        self.session.say(ToRouter::Change(change));
        self.session.applied(self.version);
    }

    /// Another agent takes the place of this one; how many sockets the router brought to it.
    pub(crate) fn new_agent(&mut self, services: &[Service]) -> usize {
        self.session.end();
        let (session, sockets) = Session::accept(&self.agent);
        self.session = session;
        // The order is the router's own; the sockets are known by their addresses.
        let brought = sockets.len();
        self.session.hand_over(&self.sockets);
        self.view(services);
        brought
    }

    /// Kills the router, and starts another one once `meanwhile` was done.
    pub(crate) fn kill_and_restart(&mut self, services: &[Service], meanwhile: impl FnOnce()) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        meanwhile();
        (self.child, self.log) = spawn(self.directory.path(), &[]);
        (self.session, _) = Session::accept(&self.agent);
        self.session.hand_over(&self.sockets);
        // An agent that has just started knows no services for a while.
        std::thread::sleep(Duration::from_millis(200));
        self.view(services);
    }

    /// The next line of its access log.
    pub(crate) fn log_line(&self) -> String {
        self.log.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// All lines until it ends.
    pub(crate) fn rest_of_log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.log.recv_timeout(Duration::from_secs(10)) {
            lines.push(line);
        }
        lines
    }

    /// Its next message about what it has counted.
    pub(crate) fn stats(&mut self) -> Stats {
        loop {
            if let ToAgent::Stats(stats) = self.session.next() {
                return stats;
            }
        }
    }

    /// The certificates that it tells of next.
    pub(crate) fn told_certificates(&mut self) -> Vec<Certificate> {
        let mut all = Vec::new();
        loop {
            let told = self.session.certificates();
            all.extend(told.certificates);
            if !told.more {
                return all;
            }
        }
    }

    /// Waits for another session of the router, as an agent that takes its place does.
    pub(crate) fn next_session(&mut self) {
        (self.session, _) = Session::accept(&self.agent);
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn terminate(&self) {
        let process = i32::try_from(self.child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    }

    /// Memory that the process holds, in KiB (`VmRSS`).
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse().unwrap()
    }

    /// Has it ended, with success?
    pub(crate) fn ended(&mut self) -> Option<bool> {
        self.child
            .try_wait()
            .unwrap()
            .map(|status| status.success())
    }

    /// Waits until it has ended by itself, with success.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let begin = Instant::now();
        while self.ended().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.ended(), Some(true));
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, arguments: &[&str]) -> (Child, Receiver<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_swarmlb-router"))
        .arg("--agent-socket")
        .arg(directory.join("agent.sock"))
        .arg("--certificates")
        .arg(directory.join("certificates"))
        .args(["--workers", "1"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    // Nothing is read that no test takes: the pipe fills up.
    let (lines, log) = sync_channel(0);
    std::thread::spawn(move || {
        out.lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.send(line))
    });
    (child, log)
}

/// A service with these labels and tasks; all tasks listen on the port of the first.
pub(crate) fn service(name: &str, labels: &[(&str, &str)], tasks: &[&Task]) -> Service {
    let task = |task: &&Task| lb_router_wire::Task {
        key: task.key,
        id: format!("task-{}", task.key),
        address: task.address.ip(),
        node: "node1".into(),
        local: true,
        leaving: task.leaving,
    };
    let labels = labels
        .iter()
        .map(|(label, value)| ((*label).into(), (*value).into()));
    Service {
        id: format!("id-of-{name}"),
        name: name.into(),
        created_ns: 1,
        labels: labels.collect(),
        tasks: tasks.iter().map(task).collect(),
    }
}
