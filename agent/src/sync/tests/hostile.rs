//! A worker that has fallen, a manager that is none any more, and strangers: what each of them costs
//! the others.

use super::bench::{Agent, Bench, view};
use crate::certs::testing::Role;
use crate::sync::tls::Client;
use lb_core::model::snapshot::Snapshot;
use lb_wire::proto::{self, Hello, Subscribe, TaskHealth, Up, down, up};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const SOON: Duration = Duration::from_secs(5);

/// What others' views may come later, on a busy machine: the attack suite asks for a tenth.
const LATER: Duration = Duration::from_secs(1);

/// A session that says whatever it is told to.
struct Session {
    up: mpsc::Sender<Up>,
    down: Streaming<proto::Down>,
}

impl Session {
    async fn open(client: &mut Client) -> Self {
        let (up, words) = mpsc::channel(64);
        let down = client.session(ReceiverStream::new(words)).await.unwrap();
        Self {
            up,
            down: down.into_inner(),
        }
    }

    async fn say(&self, kind: up::Kind) -> bool {
        self.up.send(Up { kind: Some(kind) }).await.is_ok()
    }

    /// Waits for a view.
    async fn view(&mut self) {
        let comes = async {
            let is_view = |kind| matches!(kind, Some(down::Kind::Snapshot(_)));
            while !is_view(self.down.message().await.unwrap().unwrap().kind) {}
        };
        timeout(SOON, comes).await.expect("a view");
    }

    /// Waits until the other side ends it.
    async fn ends(&mut self) {
        let ended = async { while let Ok(Some(_)) = self.down.message().await {} };
        timeout(SOON, ended).await.expect("ended");
    }
}

fn hello(datapath: String) -> up::Kind {
    up::Kind::Hello(Hello {
        datapath,
        ..Hello::default()
    })
}

/// Held by tests that need much memory, or that measure how much this process has: they would disturb each other.
static MEMORY: Mutex<()> = Mutex::const_new(());

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A manager, and a worker that follows it; "w1" is the one that has fallen.
async fn swarm(bench: &Bench) -> (Agent, Agent) {
    let manager = bench.agent("m1", Role::Manager).await;
    manager.engine(view(&["t0"])).await;
    let mut other = bench.agent("w2", Role::Worker).await;
    other.until(|s| s.complete).await;
    (manager, other)
}

/// The longest time that `count` changes take from `manager`'s engine to `worker`.
async fn delay(manager: &Agent, worker: &mut Agent, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 1..=count {
        let tasks: Vec<String> = (0..number).map(|task| format!("t{task}")).collect();
        let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
        let told = Instant::now();
        manager.engine(view(&tasks)).await;
        worker.until(|s: &Snapshot| s.tasks.len() == number).await;
        longest = longest.max(told.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_says_of_itself_never_grows_the_view() {
    let _alone = MEMORY.lock().await;
    let bench = Bench::new();
    let (manager, mut other) = swarm(&bench).await;
    let home = bench.authority.node("w1", Role::Worker);
    // Too large for any word: the session ends.
    let mut client = bench.dial(&home, &manager).await.unwrap();
    let mut session = Session::open(&mut client).await;
    session.say(hello("x".repeat((64 << 20) - 1024))).await;
    session.ends().await;
    // As large as a word may be: it means nothing.
    let session = Session::open(&mut client).await;
    assert!(session.say(hello("x".repeat(60_000))).await);
    assert!(session.say(hello("ebpf".to_owned())).await);
    let said = |s: &Snapshot| s.nodes[&"w1".into()].datapath.is_some();
    other.until(said).await;
    delay(&manager, &mut other, 2).await;
    assert!(lb_wire::encode(&other.cluster.snapshot.borrow()).len() < 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_one_session() {
    let bench = Bench::new();
    let (manager, _other) = swarm(&bench).await;
    let home = bench.authority.node("w1", Role::Worker);
    let mut first = bench.dial(&home, &manager).await.unwrap();
    let mut one = Session::open(&mut first).await;
    let mut two = Session::open(&mut first).await;
    one.ends().await;
    // Nor does it have two connections.
    let mut second = bench.dial(&home, &manager).await.unwrap();
    two.ends().await;
    let mut three = Session::open(&mut second).await;
    manager.has_agents(2).await;
    let heard = timeout(SOON, three.down.message()).await;
    assert!(heard.unwrap().unwrap().is_some());
}

/// It may have chosen another source meanwhile, and have taken no view of this one.
#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_again_gets_the_view_again() {
    let bench = Bench::new();
    let (manager, _other) = swarm(&bench).await;
    let home = bench.authority.node("w1", Role::Worker);
    let mut client = bench.dial(&home, &manager).await.unwrap();
    let mut session = Session::open(&mut client).await;
    for _ in 0..2 {
        let subscribe = up::Kind::Subscribe(Subscribe { on: true });
        assert!(session.say(subscribe).await);
        session.view().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_stops_talking_costs_the_others_nothing() {
    let _alone = MEMORY.lock().await;
    let bench = Bench::new();
    let (manager, mut other) = swarm(&bench).await;
    let home = bench.authority.node("w1", Role::Worker);
    let before = resident();
    let mut client = bench.dial(&home, &manager).await.unwrap();
    let session = Session::open(&mut client).await;
    let flood = tokio::spawn(async move {
        // Each with as many tasks as fit, another datapath, and a task that nobody knows.
        let task_health = vec![TaskHealth::default(); 30_000];
        for number in 0_u64.. {
            let said = if number % 10 == 0 {
                up::Kind::Hello(Hello {
                    datapath: ["ebpf", "ipvs"][usize::from(number % 20 == 0)].to_owned(),
                    task_health: task_health.clone(),
                    ..Hello::default()
                })
            } else {
                up::Kind::Event(proto::Event {
                    task_id: format!("u{number}"),
                    kind: proto::EventKind::Die.into(),
                })
            };
            if !session.say(said).await {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    });
    sleep(Duration::from_secs(1)).await;
    let longest = delay(&manager, &mut other, 20).await;
    let grown = resident().saturating_sub(before);
    assert!(!flood.is_finished(), "it is only slowed down");
    flood.abort();
    assert!(longest < LATER, "{longest:?}");
    assert!(grown < 100 << 20, "{} MB", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_strangers_keeps_no_node_out() {
    let bench = Bench::new();
    let (manager, mut other) = swarm(&bench).await;
    // On loopback, all agents come from here.
    let mut known = view(&["t0"]);
    let here = Some(Ipv4Addr::LOCALHOST);
    known.nodes.get_mut(&"w1".into()).unwrap().address = here;
    manager.engine(known).await;
    other.until(|s| s.nodes[&"w1".into()].address == here).await;
    let acceptor = (IpAddr::V4(manager.address), bench.port).into();
    let mut crowd: Vec<TcpStream> = Vec::new();
    for number in 0..900_u16 {
        let stranger = TcpSocket::new_v4().unwrap();
        let [high, low] = number.to_be_bytes();
        stranger
            .bind((Ipv4Addr::new(127, 255, high, low.max(1)), 0).into())
            .unwrap();
        crowd.push(stranger.connect(acceptor).await.unwrap());
    }
    let began = Instant::now();
    let home = bench.authority.node("w1", Role::Worker);
    assert!(bench.try_connect(&home, &manager).await.admitted);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let longest = delay(&manager, &mut other, 5).await;
    assert!(longest < LATER, "{longest:?}");
    // Nearly all are gone already, the rest has its time.
    let mut open = 0;
    for stranger in &crowd {
        let mut byte = [0];
        open += u32::from(matches!(
            stranger.try_read(&mut byte),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock
        ));
    }
    assert!(open <= 40, "{open} of {} are still there", crowd.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_believed_only_as_the_one_that_was_looked_for() {
    let bench = Bench::new();
    // Of this Swarm, by another name: a manager that was removed, at an address that it could get.
    let removed = bench.impostor(&bench.authority, "m9", "m1").await;
    // Of another Swarm by the same root.
    let renamed = bench.authority.renamed("cluster2");
    let foreign = bench.impostor(&renamed, "m2", "m2").await;
    for agent in [&removed, &foreign] {
        agent.engine(view(&["t1"])).await;
    }
    let worker = bench.agent("w1", Role::Worker).await;
    worker.has_trouble("is node m9 by its certificate").await;
    worker.has_trouble("belongs to another Swarm").await;
    assert!(!worker.cluster.snapshot.borrow().complete);
}
