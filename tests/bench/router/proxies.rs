//! The proxies that are compared, configured alike.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use harness::netns::Netns;
use tempfile::TempDir;

use super::ours;
use super::process::Process;

/// The host that is served.
pub(super) const HOST: &str = "bench.test";
/// Port of the task.
const TASK: u16 = 18_080;

/// A proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Ours,
    Nginx,
    Haproxy,
}

impl Proxy {
    pub(super) const ALL: [Self; 3] = [Self::Ours, Self::Nginx, Self::Haproxy];

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "**swarmlb**",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Its ports: HTTP and HTTPS.
    pub(super) fn ports(self) -> [u16; 2] {
        match self {
            Self::Ours => [18_100, 18_101],
            Self::Nginx => [18_102, 18_103],
            Self::Haproxy => [18_104, 18_105],
        }
    }

    /// Starts it; returns when it serves.
    pub(super) fn start(self, netns: &Netns, site: &Site) -> Result<Process> {
        let [http, https] = self.ports();
        let process = match self {
            Self::Ours => ours::start(netns, site, self.ports())?,
            Self::Nginx => {
                let file = site.write("nginx.conf", &nginx(site.dir(), http, https))?;
                let mut command = netns.command("nginx");
                command.args(["-c", &file, "-e", "stderr"]);
                Process::start(&mut command)?
            }
            Self::Haproxy => {
                let file = site.write("haproxy.cfg", &haproxy(site.dir(), http, https))?;
                let mut command = netns.command("haproxy");
                command.args(["-db", "-f", &file]);
                Process::start(&mut command)?
            }
        };
        process.wait(netns, http)?;
        process.wait(netns, https)?;
        Ok(process)
    }
}

/// Files of all proxies, and the task that they lead to.
pub(super) struct Site {
    dir: TempDir,
}

impl Site {
    /// Makes a certificate.
    pub(super) fn prepare() -> Result<Self> {
        let site = Self {
            dir: tempfile::tempdir()?,
        };
        let [certificate, key] = ["site.crt", "site.key"].map(|file| site.dir().join(file));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=bench.test"])
            .args(["-addext", "subjectAltName=DNS:bench.test,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()?;
        ensure!(made.status.success(), "openssl: {made:?}");
        // HAProxy wants both in one file.
        let both = [fs::read(certificate)?, fs::read(key)?].concat();
        fs::write(site.dir().join("both.pem"), both)?;
        Ok(site)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn task_port(&self) -> u16 {
        TASK
    }

    /// A task that answers as fast as one thread can.
    pub(super) fn task(&self, netns: &Netns) -> Command {
        let mut command = netns.command(env!("CARGO_BIN_EXE_whoami"));
        command.args(["quick", "--at", &TASK.to_string()]);
        command
    }

    fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.dir().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }
}

fn nginx(dir: &Path, http: u16, https: u16) -> String {
    let dir = dir.display();
    format!(
        "daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  upstream task {{ server 127.0.0.1:{TASK}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl http2; server_name _;
    ssl_certificate {dir}/site.crt; ssl_certificate_key {dir}/site.key; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets on;
    location / {{
      proxy_pass http://task; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Real-Ip $remote_addr; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    )
}

fn haproxy(dir: &Path, http: u16, https: u16) -> String {
    let dir = dir.display();
    format!(
        "global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  http-reuse always
  option forwardfor
frontend in
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {dir}/both.pem alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Real-Ip %[src]
  http-request set-header X-Request-Id %[uuid()]
  default_backend task
backend task
  server task 127.0.0.1:{TASK}
"
    )
}
