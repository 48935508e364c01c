//! A proxy that is told of tasks while it serves, by the way that each has for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result, bail, ensure};
use harness::client::PATIENCE;
use harness::netns::Netns;
use harness::traffic::http::Connection;
use harness::{shell, wait};
use lb_router_wire::frame::encode;
use lb_router_wire::{Change, Service, Task, ToRouter};
use nix::sys::signal::Signal;

use super::super::ours;
use super::super::process::{Process, START};
use super::super::proxies::{GoProxies, Proxy, in_go};
use super::super::site::{HOST, Site};
use super::configurations::{self, CADDY_ADMIN};
use super::tasks::Target;

/// The proxy.
pub(super) struct Updated<'a> {
    netns: &'a Netns,
    proxy: Proxy,
    process: Process,
    /// The router's agent.
    agent: Option<Agent>,
    /// The tasks in the configuration of another proxy.
    configured: Vec<Ipv4Addr>,
    site: Site,
}

impl<'a> Updated<'a> {
    /// Starts it with these tasks; returns when it serves.
    pub(super) fn start(
        netns: &'a Netns,
        proxy: Proxy,
        go: &GoProxies,
        targets: &[Target],
    ) -> Result<Self> {
        let site = Site::prepare()?;
        let configured = staying(targets);
        let mut agent = None;
        let process = match proxy {
            Proxy::Ours => {
                let services = vec![service(targets)];
                let (process, stream) = ours::serving(netns, &site, services, proxy.ports())?;
                agent = Some(Agent::new(stream));
                process
            }
            Proxy::Nginx => {
                let file = configure(&site, proxy, &configured)?;
                Process::start(netns.command("nginx").args(["-c", &file, "-e", "stderr"]))?
            }
            Proxy::Haproxy => {
                let file = configure(&site, proxy, &configured)?;
                // A master process in the foreground, which reloads; without its notes on each reload.
                let options = ["-W", "-db", "-q", "-f", &file];
                Process::start(netns.command("haproxy").args(options))?
            }
            Proxy::Caddy => {
                let file = configure(&site, proxy, &configured)?;
                let mut caddy = in_go(netns, &site, go.caddy.as_deref())?;
                let options = ["run", "--adapter", "caddyfile", "--config", &file];
                Process::start(caddy.args(options))?
            }
            Proxy::Traefik => {
                let routes = configure(&site, proxy, &configured)?;
                let [http, _] = proxy.ports();
                let text = configurations::traefik(&routes, http);
                let file = site.write("traefik.yml", &text)?;
                let mut traefik = in_go(netns, &site, go.traefik.as_deref())?;
                Process::start(traefik.arg(format!("--configFile={file}")))?
            }
        };
        let updated = Self {
            netns,
            proxy,
            process,
            agent,
            configured,
            site,
        };
        updated.wait()?;
        Ok(updated)
    }

    /// Waits until a task answers through it.
    fn wait(&self) -> Result<()> {
        let [http, _] = self.proxy.ports();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, http));
        wait::until(&format!("a task behind port {http}"), START, || {
            let asked = self.netns.block_on(async move {
                let opened = Connection::open(peer, PATIENCE).await?;
                opened.for_host(HOST).who().await
            });
            Ok(asked.ok().map(drop))
        })
    }

    /// Does it know of a task's end before the task gets its signal? The agents read what the Swarm wants; events of Docker's come
    /// with the signal.
    pub(super) fn is_told_ahead(&self) -> bool {
        self.proxy == Proxy::Ours
    }

    /// Tells it which tasks there are: the router also of those that leave, the others only of those that stay, and only if these
    /// are others than before.
    pub(super) fn tell(&mut self, targets: &[Target]) -> Result<()> {
        if let Some(agent) = &mut self.agent {
            return agent.tell(targets);
        }
        let tasks = staying(targets);
        if tasks == self.configured {
            return Ok(());
        }
        let file = configure(&self.site, self.proxy, &tasks)?;
        self.configured = tasks;
        match self.proxy {
            // The one has an agent, the other watches its file.
            Proxy::Ours | Proxy::Traefik => Ok(()),
            Proxy::Nginx => {
                let mut nginx = self.netns.command("nginx");
                let reload = ["-c", &file, "-e", "stderr", "-s", "reload"];
                shell::stdout(nginx.args(reload)).map(drop)
            }
            Proxy::Haproxy => self.reload_haproxy(),
            Proxy::Caddy => load_caddy(self.netns, &fs::read_to_string(&file)?),
        }
    }

    /// Lets HAProxy read its configuration; returns when that is in force. While it does so, it hears of no other one.
    fn reload_haproxy(&self) -> Result<()> {
        let before = haproxy_worker(&self.site)?;
        self.process.signal(Signal::SIGUSR2)?;
        wait::until("HAProxy's new worker", START, || {
            let now = haproxy_worker(&self.site).ok();
            Ok(now.is_some_and(|now| now != before).then_some(()))
        })
    }
}

/// The process of HAProxy's that serves, by the socket for its operators (`show info`).
fn haproxy_worker(site: &Site) -> Result<u32> {
    let mut socket = UnixStream::connect(site.dir().join("haproxy.sock"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(b"show info\n")?;
    let mut told = String::new();
    socket.read_to_string(&mut told)?;
    let pid = told.lines().find_map(|line| line.strip_prefix("Pid: "));
    Ok(pid.context("HAProxy tells no pid")?.trim().parse()?)
}

/// Puts these tasks into a proxy's configuration, in one step: who watches the file never reads a part of it. The file's path.
fn configure(site: &Site, proxy: Proxy, tasks: &[Ipv4Addr]) -> Result<String> {
    let [http, _] = proxy.ports();
    let (name, text) = match proxy {
        Proxy::Ours => bail!("the router has its tasks from its agent"),
        Proxy::Nginx => {
            let text = configurations::nginx(site.dir(), http, tasks);
            ("nginx.conf", text)
        }
        Proxy::Haproxy => {
            let text = configurations::haproxy(site.dir(), http, tasks);
            ("haproxy.cfg", text)
        }
        Proxy::Caddy => ("Caddyfile", configurations::caddy(http, tasks)),
        Proxy::Traefik => ("routes.yml", configurations::traefik_routes(tasks)),
    };
    let next = site.write(&format!("next-{name}"), &text)?;
    let file = site.dir().join(name);
    fs::rename(&next, &file).with_context(|| format!("replacing {}", file.display()))?;
    Ok(file.display().to_string())
}

/// Gives Caddy a configuration by its admin API; returns when it is in force.
fn load_caddy(netns: &Netns, text: &str) -> Result<()> {
    let request = format!(
        "POST /load HTTP/1.1\r\nHost: 127.0.0.1:{CADDY_ADMIN}\r\nContent-Type: text/caddyfile\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let post = || -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, CADDY_ADMIN))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = netns.run(post)?.context("Caddy's admin API")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "Caddy says: {answer}");
    Ok(())
}

/// Addresses of the tasks that stay.
fn staying(targets: &[Target]) -> Vec<Ipv4Addr> {
    let stay = targets.iter().filter(|target| !target.leaving);
    stay.map(|target| target.address).collect()
}

/// The router's agent, which says what a real one says (`agent/src/router/feed.rs`): keys of tasks that leave ahead of the change.
struct Agent {
    stream: UnixStream,
    /// Of the view that the router has.
    version: u64,
    /// Keys of tasks of which it was said that they leave.
    left: BTreeSet<u64>,
}

impl Agent {
    /// The agent at this end of the router's socket, of which the router has its first view.
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            version: 1,
            left: BTreeSet::new(),
        }
    }

    fn tell(&mut self, targets: &[Target]) -> Result<()> {
        let leaving = targets.iter().filter(|target| target.leaving);
        let mut leaving: Vec<u64> = leaving.map(|target| target.key).collect();
        leaving.retain(|key| self.left.insert(*key));
        if !leaving.is_empty() {
            self.stream.write_all(&encode(ToRouter::Leaving(leaving)))?;
        }
        let from = self.version;
        self.version += 1;
        let change = encode(ToRouter::Change(Change {
            from,
            to: self.version,
            services: vec![service(targets)],
            removed: Vec::new(),
        }));
        self.stream.write_all(&change).context("telling the router")
    }
}

/// The service with these tasks, as the router is told of it.
fn service(targets: &[Target]) -> Service {
    let tasks = targets.iter().map(|target| Task {
        key: target.key,
        id: target.address.to_string(),
        address: target.address.into(),
        node: "bench".to_owned(),
        local: true,
        leaving: target.leaving,
    });
    Service {
        tasks: tasks.collect(),
        ..ours::service("bench", HOST)
    }
}
