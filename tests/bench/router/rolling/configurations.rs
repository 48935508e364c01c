//! Configurations of the proxies whose tasks change: as those in `../configurations.rs`, by HTTP alone, with several tasks and with what
//! each has for sending a request to another task. Three tries in all, as the router has.

use std::net::Ipv4Addr;
use std::path::Path;

use super::super::site::{HOST, TASK};

/// Idle connections to tasks that a proxy keeps.
const KEPT: u32 = 64;
/// Times that a request is sent to a task, at most.
const TRIES: u32 = 3;
/// Port of Caddy's admin API.
pub(super) const CADDY_ADMIN: u16 = 18_118;

/// The configuration of nginx. A task that fails is left out for 10 s, as without a setting.
pub(super) fn nginx(dir: &Path, http: u16, tasks: &[Ipv4Addr]) -> String {
    let dir = dir.display();
    let servers = each(tasks, |_, task| format!("server {task}:{TASK}; "));
    format!(
        "daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  upstream task {{ {servers}keepalive {KEPT}; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{http}; server_name _;
    location / {{
      proxy_pass http://task; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_connect_timeout 1s; proxy_next_upstream error timeout; proxy_next_upstream_tries {TRIES};
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Real-Ip $remote_addr; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    )
}

/// The configuration of HAProxy. A reload takes the sockets over from the process before; connections that a client keeps are closed
/// with their next answer, and not while they are idle.
pub(super) fn haproxy(dir: &Path, http: u16, tasks: &[Ipv4Addr]) -> String {
    let dir = dir.display();
    let retries = TRIES - 1;
    let servers = each(tasks, |number, task| {
        format!("  server task{number} {task}:{TASK} pool-max-conn {KEPT}\n")
    });
    format!(
        "global
  nbthread 1
  maxconn 5000
  stats socket {dir}/haproxy.sock level admin expose-fd listeners
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  http-reuse always
  option forwardfor
  option idle-close-on-response
  retries {retries}
  option redispatch 1
  retry-on conn-failure empty-response
frontend in
  bind 127.0.0.1:{http}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Real-Ip %[src]
  http-request set-header X-Request-Id %[uuid()]
  default_backend task
backend task
  balance roundrobin
{servers}"
    )
}

/// The configuration of Caddy (a Caddyfile). A task that fails is left out for a second, as by the router.
pub(super) fn caddy(http: u16, tasks: &[Ipv4Addr]) -> String {
    let retries = TRIES - 1;
    let servers = each(tasks, |_, task| format!(" {task}:{TASK}"));
    format!(
        "{{
  admin 127.0.0.1:{CADDY_ADMIN}
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
  servers {{
    protocols h1 h2
  }}
}}
http://{HOST}:{http} {{
  bind 127.0.0.1
  reverse_proxy{servers} {{
    lb_policy round_robin
    lb_retries {retries}
    fail_duration 1s
    header_up X-Real-Ip {{remote_host}}
    header_up X-Request-Id {{http.request.uuid}}
    transport http {{
      compression off
      dial_timeout 1s
      keepalive_idle_conns {KEPT}
      keepalive_idle_conns_per_host {KEPT}
    }}
  }}
}}
"
    )
}

/// Traefik's static configuration. Without a setting it takes changes every 2 s at most.
pub(super) fn traefik(dynamic: &str, http: u16) -> String {
    format!(
        "global:
  checkNewVersion: false
  sendAnonymousUsage: false
log:
  level: ERROR
entryPoints:
  http:
    address: \"127.0.0.1:{http}\"
providers:
  providersThrottleDuration: 100ms
  file:
    filename: {dynamic}
    watch: true
"
    )
}

/// Traefik's routes, which a file of their own has, and which it follows.
pub(super) fn traefik_routes(tasks: &[Ipv4Addr]) -> String {
    let servers = each(tasks, |_, task| {
        format!("          - url: \"http://{task}:{TASK}\"\n")
    });
    format!(
        "http:
  routers:
    plain:
      entryPoints: [http]
      rule: \"Host(`{HOST}`)\"
      middlewares: [again]
      service: task
  middlewares:
    again:
      retry:
        attempts: {TRIES}
  serversTransports:
    kept:
      maxIdleConnsPerHost: {KEPT}
      forwardingTimeouts:
        dialTimeout: 1s
  services:
    task:
      loadBalancer:
        serversTransport: kept
        servers:
{servers}"
    )
}

/// A piece of text for each task.
fn each(tasks: &[Ipv4Addr], text: impl Fn(usize, Ipv4Addr) -> String) -> String {
    let numbered = tasks.iter().enumerate();
    numbered.map(|(number, task)| text(number, *task)).collect()
}
