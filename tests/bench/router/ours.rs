//! The HTTP router, with the agent's end of its socket.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;

use anyhow::{Result, ensure};
use harness::agents::dist;
use harness::netns::Netns;
use lb_router_wire::{EntryPoint, Listener, Service, Task, ToRouter, View, fds, frame};

use super::process::Process;
use super::proxies::{HOST, Site};

/// Starts it with a route to the task.
pub(super) fn start(netns: &Netns, site: &Site, ports: [u16; 2]) -> Result<Process> {
    let socket = site.dir().join("agent.sock");
    let agent = UnixListener::bind(&socket)?;
    let mut command = netns.command(&dist("swarmlb-router")?.display().to_string());
    command.args(["--workers", "1"]).env("RUST_LOG", "error");
    command.arg("--agent-socket").arg(&socket);
    command.arg("--certificates").arg(site.dir());
    let process = Process::start(&mut command)?;
    let (mut stream, _) = agent.accept()?;
    stream.write_all(&frame::encode(ToRouter::Hello {
        version: "bench".to_owned(),
        hostname: "bench".to_owned(),
    }))?;
    stream.write_all(&frame::encode(ToRouter::View(view(site))))?;
    let mut sockets = Vec::new();
    for port in ports {
        let listener = netns.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))??;
        listener.set_nonblocking(true)?;
        sockets.push(listener);
    }
    let listeners = [EntryPoint::Http, EntryPoint::Https].map(|entry_point| Listener {
        entry_point,
        worker: 0,
    });
    let bytes = frame::encode(ToRouter::Listeners(listeners.into()));
    let borrowed: Vec<_> = sockets.iter().map(TcpListener::as_fd).collect();
    let sent = fds::send(stream.as_fd(), &bytes, &borrowed)?;
    ensure!(sent == bytes.len(), "the sockets were not sent");
    // It goes on without an agent; what it says to one is not read here.
    std::mem::forget(stream);
    Ok(process)
}

fn view(site: &Site) -> View {
    let port = site.task_port().to_string();
    let labels = [
        ("com.docker.lb.hosts", format!("{HOST},127.0.0.1")),
        ("com.docker.lb.port", port),
    ];
    View {
        version: 1,
        services: vec![Service {
            id: "bench".to_owned(),
            name: "bench".to_owned(),
            created_ns: 1,
            labels: labels
                .map(|(label, value)| (label.to_owned(), value))
                .into(),
            tasks: vec![Task {
                key: 1,
                id: "task".to_owned(),
                address: Ipv4Addr::LOCALHOST.into(),
                node: "bench".to_owned(),
                local: true,
                leaving: false,
            }],
        }],
    }
}
