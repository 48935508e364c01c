//! The filter between a real client and a real socket server that stands for the engine.

use super::*;
use crate::watch::docker::Docker;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";

/// A filter, and what stands behind it.
struct Place {
    dir: TempDir,
    heard: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Place {
    /// An engine that gives this answer to everything; none: no engine.
    async fn new(answer: Option<&'static str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        let docker = dir.path().join("docker.sock");
        if let Some(answer) = answer {
            let listener = UnixListener::bind(&docker).unwrap();
            tasks.push(tokio::spawn(engine(listener, answer, Arc::clone(&heard))));
        }
        let own = dir.path().join("engine.sock");
        let path = own.clone();
        tasks.push(tokio::spawn(async move {
            serve(docker, &path, std::future::pending()).await.unwrap();
        }));
        while !own.exists() {
            tokio::task::yield_now().await;
        }
        Self { dir, heard, tasks }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("engine.sock")
    }

    /// Everything that is answered to these bytes.
    async fn say(&self, bytes: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        // Who is refused halfway through can't write the rest.
        let _ = stream.write_all(bytes.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(5 * HEAD_WITHIN, stream.read_to_end(&mut answer))
            .await
            .expect("an end");
        String::from_utf8(answer).unwrap()
    }

    /// First lines of what the engine was asked.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

async fn engine(listener: UnixListener, answer: &'static str, heard: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        head.truncate(read);
        heard.lock().unwrap().push(String::from_utf8(head).unwrap());
        stream.write_all(answer.as_bytes()).await.unwrap();
        // A stream of events stays open.
        tokio::spawn(async move {
            sleep(Duration::from_secs(60)).await;
            drop(stream);
        });
    }
}

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\nX-Own: word\r\n\r\n")
}

#[tokio::test]
async fn a_question_is_asked_in_the_filters_own_words_and_answered() {
    let place = Place::new(Some(OK)).await;
    let answer = place.say(&request("GET /services")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n[]"), "{answer}");
    assert_eq!(
        place.heard(),
        ["GET /services HTTP/1.1\r\nhost: docker\r\n\r\n"]
    );
    let docker = Docker::open(&place.socket()).await.unwrap();
    assert!(docker.services().await.unwrap().is_empty());
}

#[tokio::test]
async fn whatever_else_is_asked_never_reaches_the_engine() {
    let place = Place::new(Some(OK)).await;
    for bytes in [
        request("POST /services/create"),
        request("GET /containers/json"),
        request("GET /v1.41/services"),
        request("HEAD /services"),
        request("PRI *"),
        "GET /services HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "GET /services HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_owned(),
        "GET /services HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            .to_owned(),
        format!(
            "GET /services HTTP/1.1\r\nHost: {}\r\n\r\n",
            "x".repeat(HEAD_BYTES)
        ),
        format!(
            "GET /services HTTP/1.1\r\n{}\r\n",
            "A: b\r\n".repeat(HEADERS + 1)
        ),
        "GET /services HTTP/9.9\r\n\r\n".to_owned(),
        "\0\r\n\r\n".to_owned(),
    ] {
        let answer = place.say(&bytes).await;
        assert!(!answer.contains("200 OK"), "{bytes}: {answer}");
    }
    // A second request on one connection is not read: behind the first, anything could hide.
    let two = request("GET /info") + &request("POST /services/create");
    assert_eq!(place.say(&two).await.matches("HTTP/1.1").count(), 1);
    assert_eq!(place.heard().len(), 1);
}

#[tokio::test]
async fn an_engine_that_changes_the_protocol_is_not_followed() {
    let place = Place::new(Some(
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw",
    ))
    .await;
    let answer = place.say(&request("GET /info")).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let place = Place::new(Some(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
    ))
    .await;
    let mut stream = UnixStream::connect(place.socket()).await.unwrap();
    let asks = request("GET /events?since=1.000000002&filters=%7B%7D");
    stream.write_all(asks.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("{}\n") {
        let mut bytes = [0; 512];
        let read = timeout(HEAD_WITHIN, stream.read(&mut bytes)).await.unwrap();
        let read = read.unwrap();
        assert!(read > 0, "it goes on: {answer}");
        answer += std::str::from_utf8(&bytes[..read]).unwrap();
    }
    let heard = place.heard().remove(0);
    assert!(
        heard.starts_with("GET /events?since=1.000000002&filters=%7B%22type%22"),
        "{heard}"
    );
}

#[tokio::test]
async fn who_says_nothing_is_shown_out_and_a_crowd_keeps_nobody_out_for_long() {
    let place = Place::new(Some(OK)).await;
    let mut crowd = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        crowd.push(UnixStream::connect(place.socket()).await.unwrap());
    }
    let begin = Instant::now();
    let answer = timeout(4 * HEAD_WITHIN, place.say(&request("GET /info"))).await;
    assert!(answer.is_ok(), "after {:?}", begin.elapsed());
    drop(crowd);
}

/// What an agent that is told to stop asks, to learn whether its engine is starting again
/// (`watch/engine_restart.rs`), it learns through the filter, too.
#[tokio::test]
async fn an_engine_that_is_away_answers_and_one_that_starts_does_not() {
    let within = Duration::from_millis(300);
    let away = Place::new(None).await;
    let docker = Docker::open(&away.socket()).await.unwrap();
    assert!(!docker.is_unresponsive(within).await);
    let said = docker.info().await.unwrap_err().to_string();
    assert!(
        said.contains("does not answer") && said.contains("is dockerd running?"),
        "{said}"
    );
    let starts = Place::new(Some("")).await;
    let docker = Docker::open(&starts.socket()).await.unwrap();
    assert!(docker.is_unresponsive(within).await);
    let runs = Place::new(Some(OK)).await;
    let docker = Docker::open(&runs.socket()).await.unwrap();
    assert!(!docker.is_unresponsive(within).await);
}

#[tokio::test]
async fn told_to_stop_it_stays_for_as_long_as_somebody_is_there_or_another_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("engine.sock");
    let start = |stop| {
        let (docker, own) = (dir.path().join("docker.sock"), own.clone());
        tokio::spawn(async move { serve(docker, &own, stop).await })
    };
    let first = start(std::future::ready(()));
    while !own.exists() {
        tokio::task::yield_now().await;
    }
    let held = UnixStream::connect(&own).await.unwrap();
    sleep(2 * IDLE).await;
    assert!(!first.is_finished(), "an agent is there");
    let second = start(std::future::ready(()));
    timeout(2 * IDLE, first).await.unwrap().unwrap().unwrap();
    assert!(own.exists(), "the successor's");
    timeout(4 * IDLE, second).await.unwrap().unwrap().unwrap();
    assert!(!own.exists());
    drop(held);
}
