//! The HTTP router, with the agent's end of its socket.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::agents::dist;
use harness::netns::Netns;
use harness::wait;
use lb_router_wire::{EntryPoint, Listener, Service, Task, ToRouter, View, fds, frame};

use super::process::Process;
use super::site::{HOST, Site, TASK};

/// Starts it with a route to the task.
pub(super) fn start(netns: &Netns, site: &Site, ports: [u16; 2]) -> Result<Process> {
    let (process, stream) = serving(netns, site, vec![service("bench", HOST)], ports)?;
    // It goes on without an agent; what it says to one is not read here.
    std::mem::forget(stream);
    Ok(process)
}

/// Starts it with these services, in a view of version 1; also the agent's end of its socket.
pub(super) fn serving(
    netns: &Netns,
    site: &Site,
    services: Vec<Service>,
    ports: [u16; 2],
) -> Result<(Process, UnixStream)> {
    let socket = site.dir().join(format!("agent-{}.sock", ports[0]));
    let agent = UnixListener::bind(&socket)?;
    let mut command = netns.command(&dist("swarmlb-router")?.display().to_string());
    command.args(["--workers", "1"]).env("RUST_LOG", "error");
    command.arg("--agent-socket").arg(&socket);
    command.arg("--certificates").arg(site.dir());
    let process = Process::start(&mut command)?;
    agent.set_nonblocking(true)?;
    // Not forever: a router that does not start never comes.
    let mut stream = wait::until("the router", Duration::from_secs(10), || {
        match agent.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    })?;
    stream.set_nonblocking(false)?;
    stream.write_all(&frame::encode(ToRouter::Hello {
        version: "bench".to_owned(),
        hostname: "bench".to_owned(),
        stats: false,
    }))?;
    stream.write_all(&frame::encode(ToRouter::View(View {
        version: 1,
        services,
    })))?;
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
    Ok((process, stream))
}

/// A service that answers a host by the task.
pub(super) fn service(id: &str, host: &str) -> Service {
    let port = TASK.to_string();
    let labels = [
        ("com.docker.lb.hosts", host.to_owned()),
        ("com.docker.lb.port", port),
    ];
    Service {
        id: id.to_owned(),
        name: id.to_owned(),
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
    }
}
