//! Configurations of the proxies that are compared, as alike as they allow: one host, one certificate, as many idle
//! connections to the task as the router keeps, and the fields that the router adds to requests.

use std::path::Path;

use super::site::{HOST, TASK};

/// Idle connections to the task that a proxy keeps: as many as the router does.
const KEPT: u32 = 64;

/// The configuration of nginx.
pub(super) fn nginx(dir: &Path, http: u16, https: u16) -> String {
    let dir = dir.display();
    format!(
        "daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  upstream task {{ server 127.0.0.1:{TASK}; keepalive {KEPT}; keepalive_requests 1000000000; }}
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

/// The configuration of HAProxy.
pub(super) fn haproxy(dir: &Path, http: u16, https: u16) -> String {
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
  server task 127.0.0.1:{TASK} pool-max-conn {KEPT}
"
    )
}

/// The configuration of Caddy (a Caddyfile).
pub(super) fn caddy(dir: &Path, http: u16, https: u16) -> String {
    let dir = dir.display();
    // Without HTTP/3, which would be announced in each answer.
    format!(
        "{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
  servers {{
    protocols h1 h2
  }}
}}
(task) {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{TASK} {{
    header_up X-Real-Ip {{remote_host}}
    header_up X-Request-Id {{http.request.uuid}}
    transport http {{
      compression off
      keepalive_idle_conns {KEPT}
      keepalive_idle_conns_per_host {KEPT}
    }}
  }}
}}
http://{HOST}:{http} {{
  import task
}}
https://{HOST}:{https} {{
  import task
  tls {dir}/site.crt {dir}/site.key
}}
"
    )
}

/// Traefik's static configuration.
pub(super) fn traefik(dynamic: &str, http: u16, https: u16) -> String {
    format!(
        "global:
  checkNewVersion: false
  sendAnonymousUsage: false
log:
  level: ERROR
entryPoints:
  http:
    address: \"127.0.0.1:{http}\"
  https:
    address: \"127.0.0.1:{https}\"
providers:
  file:
    filename: {dynamic}
    watch: false
"
    )
}

/// Traefik's routes, which a file of their own has. It has no middleware for X-Request-Id.
pub(super) fn traefik_routes(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "http:
  routers:
    plain:
      entryPoints: [http]
      rule: \"Host(`{HOST}`)\"
      service: task
    secure:
      entryPoints: [https]
      rule: \"Host(`{HOST}`)\"
      service: task
      tls: {{}}
  services:
    task:
      loadBalancer:
        serversTransport: kept
        servers:
          - url: \"http://127.0.0.1:{TASK}\"
  serversTransports:
    kept:
      maxIdleConnsPerHost: {KEPT}
tls:
  certificates:
    - certFile: {dir}/site.crt
      keyFile: {dir}/site.key
"
    )
}
