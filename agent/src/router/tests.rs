//! What the operator is told.

use super::*;
use testing::{agent, ports};

#[tokio::test(start_paused = true)]
async fn a_router_is_missed_after_half_a_minute() {
    let agent = agent(ports());
    assert_eq!(agent.problems(), []);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(agent.problems(), []);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let [problem] = &agent.problems()[..] else {
        panic!("{:?}", agent.problems());
    };
    assert!(problem.message.contains("deploy/router.yml"), "{problem:?}");
}

#[tokio::test]
async fn a_socket_that_can_not_be_taken_is_a_problem_and_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let router = Router::start(Settings {
        socket: in_the_way.join("agent.sock"),
        user: 0,
        hostname: "node1".to_owned(),
        ports: ports(),
    });
    let began = std::time::Instant::now();
    while router.problems().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        router.problems()[0]
            .message
            .contains("no HTTP router can connect")
    );
}
