//! `whoami`: the service whose tasks the tests balance.
//!
//! HTTP/1.1, HTTP/2 without TLS, and UDP on the same ports. Every answer names the task and both ends
//! of the flow, so that a client can tell who answered and whom the task saw.
//! SIGTERM ends it as a well-behaved service ends: it goes on for `--term-delay`,
//! then accepts no more, finishes what is open within `--grace`, and exits with 0.

mod grpc;
mod health;
mod http;
mod quick;
mod send;
mod tcp;
mod udp;
mod whoami;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::whoami::Whoami;

/// Test service: says who it is and whom it sees.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args)]
struct Serve {
    /// Port to serve by TCP and by UDP; may be given several times.
    #[arg(long = "port", default_values_t = [80])]
    ports: Vec<u16>,
    /// Address of these ports; without it all addresses of the host.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Milliseconds after SIGTERM during which new connections are still taken.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    term_delay: u64,
    /// Milliseconds that open requests get once no more are accepted.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    grace: u64,
}

#[derive(Subcommand)]
enum Verb {
    /// Asks a URL; exits with 0 if it answers 200 (for HEALTHCHECK).
    Health {
        /// For example http://127.0.0.1:80/healthz
        url: String,
    },
    /// Answers all requests the same, and as fast as one thread can (for measurements).
    Quick {
        /// Port to serve by TCP.
        #[arg(long = "at", default_value_t = 80)]
        port: u16,
    },
    /// Sends datagrams or raw packets (for what containers do that they should not).
    Send(send::Send),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.verb {
        Some(Verb::Health { url }) => return health::check(&url),
        Some(Verb::Quick { port }) => return quick::run(port),
        Some(Verb::Send(send)) => return send::run(&send),
        None => {}
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(serve(cli.serve))
}

async fn serve(options: Serve) -> Result<()> {
    let whoami = Whoami::from_environment();
    let (stop, stopping) = watch::channel(false);
    let mut term = signal(SignalKind::terminate()).context("catching SIGTERM")?;
    let mut servers = JoinSet::new();
    for port in options.ports {
        let listener = listen(options.address, port, tcp::listen)?;
        servers.spawn(tcp::serve(listener, whoami.clone(), stopping.clone()));
        let socket = listen(options.address, port, udp::bind)?;
        servers.spawn(udp::serve(socket, whoami.clone(), stopping.clone()));
    }
    drop(stopping);

    term.recv().await;
    tokio::time::sleep(Duration::from_millis(options.term_delay)).await;
    stop.send_replace(true);
    let all_done = async { while servers.join_next().await.is_some() {} };
    // What is still open when the grace ends is cut: the engine would do so too.
    let _ = tokio::time::timeout(Duration::from_millis(options.grace), all_done).await;
    Ok(())
}

/// A socket on this address. Without one, both families are on one socket; a kernel without IPv6 gets an IPv4 socket.
fn listen<S>(
    address: Option<IpAddr>,
    port: u16,
    open: fn(SocketAddr) -> std::io::Result<S>,
) -> Result<S> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    if let Some(address) = address {
        return open((address, port).into())
            .with_context(|| format!("listening on port {port} of {address}"));
    }
    open((Ipv6Addr::UNSPECIFIED, port).into())
        .or_else(|_| open((Ipv4Addr::UNSPECIFIED, port).into()))
        .with_context(|| format!("listening on port {port}"))
}
