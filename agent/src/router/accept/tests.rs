//! Routers on a real socket.

use super::*;
use crate::router::testing::{TestRouter, ports};
use crate::router::{Router, Settings};
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

/// An agent with its socket, in a directory that goes with it.
struct Agent {
    router: Router,
    directory: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let user = std::fs::metadata(directory.path()).unwrap().uid();
        let router = Router::start(Settings {
            socket: directory.path().join("router/agent.sock"),
            user,
            hostname: "node1".to_owned(),
            ports: ports(),
        });
        let addresses = lb_core::backend::TaskAddresses::default();
        router.publish(&lb_core::persistent::PersistentMap::default(), &addresses);
        Self { router, directory }
    }

    async fn connect(&self) -> TestRouter {
        let path = self.directory.path().join("router/agent.sock");
        let began = Instant::now();
        loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => return TestRouter::new(stream),
                Err(error) => assert!(began.elapsed() < Duration::from_secs(5), "{error}"),
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn any_user_may_knock_and_the_socket_goes_with_the_agent() {
    let agent = Agent::start();
    agent.connect().await;
    let directory = agent.directory.path().join("router");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let socket = directory.join("agent.sock");
    assert_eq!((mode(&directory), mode(&socket)), (0o755, 0o666));
    let Agent { router, directory } = agent;
    drop(router);
    let began = Instant::now();
    while socket.exists() {
        assert!(began.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(5)).await;
    }
    drop(directory);
}

#[tokio::test]
async fn a_fifth_router_is_sent_away_and_comes_in_once_another_one_went() {
    let agent = Agent::start();
    let mut four = Vec::new();
    for _ in 0..4 {
        let mut router = agent.connect().await;
        router.hello(1, &[]).await;
        assert!(router.next().await.is_some());
        four.push(router);
    }
    let mut fifth = agent.connect().await;
    assert_eq!(fifth.next().await, None);
    four.pop();
    let began = Instant::now();
    loop {
        let mut fifth = agent.connect().await;
        if fifth.next().await.is_some() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn nobody_but_the_routers_user_is_answered() {
    let (here, _there) = UnixStream::pair().unwrap();
    let own = here.peer_cred().unwrap().uid();
    assert!(may_connect(&here, own));
    // Neither is root, as whom tests mostly run.
    assert!(!may_connect(&here, own + 1));
}
