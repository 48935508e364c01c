//! The proxies that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use harness::netns::Netns;

use super::process::Process;
use super::site::Site;
use super::{configurations, ours};

/// A proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Ours,
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
}

/// Programs of the proxies that are written in Go. They take part where they are named.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoProxies {
    /// Caddy's program.
    pub(crate) caddy: Option<PathBuf>,
    /// Traefik's program.
    pub(crate) traefik: Option<PathBuf>,
}

impl GoProxies {
    /// All proxies that take part.
    pub(super) fn participants(&self) -> Vec<Proxy> {
        let caddy = self.caddy.as_ref().map(|_| Proxy::Caddy);
        let traefik = self.traefik.as_ref().map(|_| Proxy::Traefik);
        let mut all = Proxy::ALWAYS.to_vec();
        all.extend(caddy.into_iter().chain(traefik));
        all
    }
}

impl Proxy {
    /// Proxies that take part in each run; they are the first of all participants.
    pub(super) const ALWAYS: [Self; 3] = [Self::Ours, Self::Nginx, Self::Haproxy];

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "**swarmlb**",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
        }
    }

    /// Its ports: HTTP and HTTPS.
    pub(super) fn ports(self) -> [u16; 2] {
        match self {
            Self::Ours => [18_100, 18_101],
            Self::Nginx => [18_102, 18_103],
            Self::Haproxy => [18_104, 18_105],
            Self::Caddy => [18_106, 18_107],
            Self::Traefik => [18_108, 18_109],
        }
    }

    /// Starts it; returns when it serves.
    pub(super) fn start(self, netns: &Netns, site: &Site, go: &GoProxies) -> Result<Process> {
        let [http, https] = self.ports();
        let process = match self {
            Self::Ours => ours::start(netns, site, self.ports())?,
            Self::Nginx => {
                let text = configurations::nginx(site.dir(), http, https);
                let file = site.write("nginx.conf", &text)?;
                let mut command = netns.command("nginx");
                command.args(["-c", &file, "-e", "stderr"]);
                Process::start(&mut command)?
            }
            Self::Haproxy => {
                let text = configurations::haproxy(site.dir(), http, https);
                let file = site.write("haproxy.cfg", &text)?;
                let mut command = netns.command("haproxy");
                command.args(["-db", "-f", &file]);
                Process::start(&mut command)?
            }
            Self::Caddy => {
                let text = configurations::caddy(site.dir(), http, https);
                let file = site.write("Caddyfile", &text)?;
                let mut command = in_go(netns, site, go.caddy.as_deref())?;
                command.args(["run", "--adapter", "caddyfile", "--config", &file]);
                Process::start(&mut command)?
            }
            Self::Traefik => {
                let routes = configurations::traefik_routes(site.dir());
                let routes = site.write("routes.yml", &routes)?;
                let text = configurations::traefik(&routes, http, https);
                let file = site.write("traefik.yml", &text)?;
                let mut command = in_go(netns, site, go.traefik.as_deref())?;
                command.arg(format!("--configFile={file}"));
                Process::start(&mut command)?
            }
        };
        process.wait(netns, https)?;
        process.wait_for_task(netns, http)?;
        Ok(process)
    }
}

/// A program in Go, with one thread at a time for its code, and what it remembers between runs in the site's directory.
pub(super) fn in_go(netns: &Netns, site: &Site, program: Option<&Path>) -> Result<Command> {
    let program = program.context("its program was not named")?;
    let mut command = netns.command(&program.display().to_string());
    command.env("GOMAXPROCS", "1").current_dir(site.dir());
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(variable, site.dir());
    }
    Ok(command)
}
