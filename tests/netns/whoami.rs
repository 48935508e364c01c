//! The test service by itself: suites rely on what is shown here.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use harness::client::{Client, PATIENCE};
use harness::netns::{Netns, NetnsGuard};
use harness::traffic::grpc;
use harness::traffic::http::{self, Connection};
use harness::traffic::http2::{self, Kept};
use harness::{pattern, shared, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SHORT: Duration = Duration::from_millis(500);

/// `whoami` in a namespace of its own, so that its ports are free.
struct Service {
    process: Child,
    netns: NetnsGuard,
    client: Client,
}

impl Service {
    fn start(test: &str, options: &[&str]) -> Self {
        let netns = Netns::create(&format!("lbwho{test}{}", std::process::id())).unwrap();
        let process = netns
            .command(env!("CARGO_BIN_EXE_whoami"))
            .args(options)
            .env("TASK", "task-1")
            .spawn()
            .unwrap();
        let client = Client::new(Netns::named(netns.name()));
        let service = Self {
            process,
            netns,
            client,
        };
        wait::until("whoami", PATIENCE, || Ok(service.client.who(at(80)).ok())).unwrap();
        service
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
    }

    fn exit_status(&mut self) -> ExitStatus {
        wait::until("whoami to end", PATIENCE, || Ok(self.process.try_wait()?)).unwrap()
    }

    fn health(&self) -> ExitStatus {
        let mut command: Command = self.netns.command(env!("CARGO_BIN_EXE_whoami"));
        command
            .args(["health", "http://127.0.0.1/healthz"])
            .status()
            .unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn says_whom_it_sees_by_tcp_and_udp_on_each_port() {
    if !shared::is_root() {
        return;
    }
    let service = Service::start("who", &["--port", "80", "--port", "81"]);
    for port in [80, 81] {
        let (who, local) = service
            .client
            .block_on(async {
                let mut connection = Connection::open(at(port), PATIENCE).await?;
                Ok((connection.who().await?, connection.local()))
            })
            .unwrap();
        assert_eq!((who.peer, who.local), (local, at(port)));
        assert_eq!(who.task.as_deref(), Some("task-1"));

        let who = service.client.udp(at(port), PATIENCE).unwrap();
        assert_eq!((who.peer.ip(), who.local), (at(0).ip(), at(port)));
    }
    assert!(
        service.client.udp(at(82), SHORT).is_err(),
        "nothing serves port 82"
    );
}

#[test]
fn digests_agree_both_ways() {
    if !shared::is_root() {
        return;
    }
    let service = Service::start("bulk", &[]);
    for len in [0, 1, 65_537, 3_000_000] {
        let expected = pattern::sha256(len);
        let down = service.client.download(at(80), len).unwrap();
        assert_eq!((down.bytes, &down.sha256), (len, &expected));
        let up = service.client.upload(at(80), len).unwrap();
        assert_eq!((up.bytes, &up.sha256), (len, &expected));
    }
}

#[test]
fn a_connection_serves_many_requests() {
    if !shared::is_root() {
        return;
    }
    let service = Service::start("keep", &[]);
    let peers = service.client.block_on(async {
        let mut connection = Connection::open(at(80), PATIENCE).await?;
        Ok([connection.who().await?.peer, connection.who().await?.peer])
    });
    let [first, second] = peers.unwrap();
    assert_eq!(first, second);
    let missing = service.client.get(at(80), "/nothing", PATIENCE).unwrap();
    assert_eq!(missing.status, 404);
}

#[test]
fn health_can_be_taken_away_and_given_back() {
    if !shared::is_root() {
        return;
    }
    let service = Service::start("health", &[]);
    let post = |path: &'static str| {
        let post = async move { Connection::open(at(80), PATIENCE).await?.post(path).await };
        assert_eq!(service.client.block_on(post).unwrap().status, 200);
    };
    assert!(service.health().success());
    post("/unhealthy");
    assert_eq!(
        service
            .client
            .get(at(80), "/healthz", PATIENCE)
            .unwrap()
            .status,
        503
    );
    assert!(!service.health().success());
    post("/healthy");
    assert!(service.health().success());
}

#[test]
fn sigterm_lets_open_requests_end_and_takes_no_new_ones() {
    if !shared::is_root() {
        return;
    }
    let mut service = Service::start("term", &[]);
    let slow = service.client.block_on(async {
        let mut idle = Connection::open(at(80), PATIENCE).await?;
        idle.who().await?;
        let busy = tokio::spawn(async {
            Connection::open(at(80), PATIENCE)
                .await?
                .get("/slow/6?ms=100")
                .await
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        service.terminate();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(http::who(at(80), SHORT).await.is_err(), "no longer listens");
        assert!(idle.who().await.is_err(), "idle connections are closed");
        busy.await?
    });
    assert_eq!(slow.unwrap().body, "......");
    assert!(service.exit_status().success());
}

#[test]
fn speaks_http2_and_grpc_and_lets_a_stream_end_after_sigterm() {
    if !shared::is_root() {
        return;
    }
    let mut service = Service::start("h2c", &[]);
    let host = "h2c.test";
    let asked = service.client.block_on(async {
        let mut kept = Kept::default();
        let by_get = kept.ask(at(80), || http2::get(host, "/")).await?;
        let by_get = http2::who(by_get).await?;
        let by_call = kept.ask(at(80), || grpc::ask_who(host)).await?;
        let by_call = grpc::who(by_call).await?;
        let mut connection = http2::connect(at(80)).await?;
        let mut echo = grpc::Echo::open(&mut connection, host).await?;
        for text in ["one", "", "three"] {
            echo.exchange(text.as_bytes()).await?;
        }
        service.terminate();
        tokio::time::sleep(Duration::from_millis(200)).await;
        echo.exchange(b"four").await?;
        echo.end().await?;
        Ok([by_get, by_call])
    });
    let [by_get, by_call] = asked.unwrap();
    assert_eq!(by_get.peer, by_call.peer, "by one connection");
    assert_eq!(by_call.task.as_deref(), Some("task-1"));
    assert!(service.exit_status().success());
}

#[test]
fn term_delay_goes_on_serving_for_a_while() {
    if !shared::is_root() {
        return;
    }
    let mut service = Service::start("delay", &["--term-delay", "700"]);
    service.terminate();
    std::thread::sleep(Duration::from_millis(200));
    service.client.who(at(80)).unwrap();
    assert!(service.exit_status().success());
    assert!(service.client.who(at(80)).is_err());
}
