//! Who has a worker's certificate and key speaks to a manager's agent as its agent would, and says what
//! no agent says. It costs that agent little memory, and other workers nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use harness::acceptance::served;
use harness::guards::Service;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::{slow, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::session::{Fallen, Session};
use crate::views::{Memory, Viewed};
use crate::{TASKS, alone, messages};

/// Megabytes that an attack may cost a manager's agent.
const MEMORY: u64 = 100;
/// A message that gRPC takes, and with whose content a view of the Swarm is one that it does not.
const LARGEST: usize = (64 << 20) - 128;
/// So long a node that has said far too much may have to wait.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// Views that one worker can have made for all at once, and then in a second, about.
const VIEWS: [f32; 2] = [40.0, 20.0];

/// Has node3 fallen attack again and again, while node2 has to learn of changes as soon as before.
fn bears<F>(ports: [u16; 2], attack: impl Fn(Fallen, Arc<AtomicBool>) -> F + Sync)
where
    F: Future<Output = Result<u32>> + Send,
{
    let Some(swarm) = alone() else { return };
    let node = swarm.node("node3").unwrap();
    let fallen = Fallen::node(&swarm, node).unwrap();
    let mut viewed = Viewed::from(&swarm, swarm.node("node2").unwrap(), ports);
    let silent = Silent::agent(node).unwrap();
    fallen.block_on(is_let_in(&fallen)).unwrap();
    let usual = viewed.delays().unwrap();
    let manager = swarm.manager().unwrap().agent_pid().unwrap();
    let memory = Memory::of(manager).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (attacked, done) = std::thread::scope(|scope| {
        let attack = scope.spawn(|| fallen.block_on(attack(fallen.clone(), over.clone())));
        let stop = Stop(over.clone());
        // It is under way.
        std::thread::sleep(slow::longer(Duration::from_millis(500)));
        let attacked = viewed.delays();
        drop(stop);
        (attacked, attack.join().unwrap())
    });
    println!("said {done:?} times");
    // What it said stands until it says something else, so let nobody suffer from it who comes later.
    let honest = fallen.block_on(is_let_in(&fallen));
    let grown = memory.grown();
    println!("the manager's agent took {grown:?} MB more");
    assert!(done.unwrap() > 0, "nothing was said");
    attacked.unwrap().assert_hardly_later_than(&usual);
    let grown = grown.unwrap();
    assert!(grown < MEMORY, "{grown} MB more");
    honest.unwrap();
    drop(silent);
    swarm.wait_for_agents().unwrap();
}

/// The node's own agent, which says nothing as long as this lives: whoever has taken over the node speaks
/// in its place, and a node has one session.
struct Silent(Pid);

impl Silent {
    fn agent(node: &Node) -> Result<Self> {
        let agent = Pid::from_raw(node.agent_pid()?.try_into()?);
        kill(agent, Signal::SIGSTOP)?;
        Ok(Self(agent))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whoever says what an agent says gets what an agent gets: what follows is no quarrel about certificates.
/// Who has called too often has to wait for a while.
async fn is_let_in(fallen: &Fallen) -> Result<()> {
    let begin = Instant::now();
    loop {
        match enters_and_is_heard(fallen).await {
            Err(error) if begin.elapsed() > slow::longer(READY_TIMEOUT) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            Ok(()) => return Ok(()),
        }
    }
}

async fn enters_and_is_heard(fallen: &Fallen) -> Result<()> {
    let mut session = fallen.enters().await?;
    session.says(messages::hello(&fallen.id, "ebpf")).await?;
    session.says(messages::subscribe()).await?;
    session.is_heard().await
}

/// Says the same in one session after the other, `often` times in each, at most so many in a second.
async fn repeats(
    fallen: Fallen,
    over: Arc<AtomicBool>,
    rate: u32,
    message: impl Fn(u32) -> Bytes,
) -> Result<u32> {
    let mut said = 0;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut session: Option<Session> = None;
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let open = match session.take() {
            Some(open) => open,
            // It may have been thrown out a moment ago.
            None => match fallen.enters().await {
                Ok(open) => open,
                Err(_) => continue,
            },
        };
        if open.says(message(said)).await.is_ok() {
            said += 1;
            session = Some(open);
        }
    }
    Ok(said)
}

#[test]
fn a_word_of_64_megabytes_keeps_no_view_from_others() {
    bears([8480, 8481], |fallen, over| async move {
        let hello = messages::long_hello(&fallen.id, LARGEST);
        repeats(fallen, over, 2, |_| hello.clone()).await
    });
}

#[test]
fn signs_of_64_megabytes_cost_a_manager_little() {
    bears([8482, 8483], |fallen, over| async move {
        let hello = messages::hello_of_empty_signs(&fallen.id, LARGEST);
        repeats(fallen, over, 2, |_| hello.clone()).await
    });
}

#[test]
fn a_thousand_hellos_a_second_delay_nobodys_view_and_make_few_new_ones() {
    let (views, begin) = (AtomicU32::new(0), Instant::now());
    let seconds = AtomicU32::new(0);
    let (counted, lasted) = (&views, &seconds);
    bears([8484, 8485], |fallen, over| async move {
        let begun = begin.elapsed();
        let said = babbles(&fallen, &over, counted).await;
        let seconds = (begin.elapsed() - begun).as_secs_f32();
        lasted.store(seconds.to_bits(), Ordering::Relaxed);
        said
    });
    let seconds = f32::from_bits(seconds.into_inner());
    let views = views.into_inner();
    println!("{views} views in {seconds:.1} s");
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
    let views = views as f32;
    let [burst, rate] = VIEWS;
    assert!(views <= burst + rate * seconds, "{views} views");
}

/// Says hello as fast as told, each time with news, and counts the views that come of it.
async fn babbles(fallen: &Fallen, over: &AtomicBool, views: &AtomicU32) -> Result<u32> {
    /// `Down.snapshot`.
    const VIEW: u8 = 2 << 3 | 2;
    let hellos = ["ebpf", "ipvs"].map(|by| messages::hello(&fallen.id, by));
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / slow::fewer(1000));
    let mut said = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok(mut session) = fallen.enters().await else {
            ticks.tick().await;
            continue;
        };
        session.says(messages::subscribe()).await?;
        while !over.load(Ordering::Relaxed) {
            let heard = tokio::select! {
                heard = session.hears() => Some(heard),
                _ = ticks.tick() => None,
            };
            match heard {
                // It was thrown out.
                Some(Err(_)) => break,
                Some(Ok(message)) if message.first() == Some(&VIEW) => {
                    views.fetch_add(1, Ordering::Relaxed);
                }
                Some(Ok(_)) => {}
                None if session
                    .says(hellos[said as usize % 2].clone())
                    .await
                    .is_ok() =>
                {
                    said += 1;
                }
                None => break,
            }
        }
    }
    Ok(said)
}

/// Signs of each session, all of tasks that nobody knows.
const UNKNOWN: u32 = 20_000;

#[test]
fn fifty_sessions_of_one_worker_cost_a_manager_little() {
    bears([8486, 8487], |fallen, over| async move {
        let mut sessions = Vec::new();
        for number in 0..50 {
            let tasks = (0..UNKNOWN).map(|task| format!("unknown{number:03}task{task:010}"));
            let hello = messages::hello_of_deaths(&fallen.id, tasks);
            // That of another may be at its end.
            if let Ok(session) = fallen.enters().await
                && session.says(hello).await.is_ok()
            {
                sessions.push(session);
            }
        }
        while !over.load(Ordering::Relaxed) {
            for session in &sessions {
                let _ = session.says(messages::alive()).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(u32::try_from(sessions.len())?)
    });
}

/// A task that has no node yet, or another one, is nobody's to bury.
#[test]
fn a_worker_ends_no_task_but_its_own() {
    let Some(swarm) = alone() else { return };
    let node = swarm.node("node3").unwrap();
    let fallen = Fallen::node(&swarm, node).unwrap();
    let spec = ServiceSpec::named("elsewhere")
        .on_node("node2")
        .publish("8488:80");
    let (elsewhere, running) = served(&swarm, &spec, 1);
    let waiting = ServiceSpec::named("waiting")
        .publish("8489:80")
        .option("--constraint", "node.labels.awaited==yes");
    let waiting = swarm.service_create(&waiting).unwrap();
    let pending = wait::until("a task without a node", TASKS, || {
        let tasks = waiting.tasks()?;
        Ok(tasks.into_iter().find(|task| task.state == "pending"))
    })
    .unwrap();
    let ids = [running[0].id.clone(), pending.id];
    let buries = async {
        let mut session = fallen.enters().await?;
        let hello = messages::hello_of_deaths(&fallen.id, ids.clone().into_iter());
        session.says(hello).await?;
        for id in &ids {
            session.says(messages::death(id)).await?;
        }
        session.is_heard().await
    };
    let silent = Silent::agent(node).unwrap();
    fallen.block_on(is_let_in(&fallen)).unwrap();
    fallen.block_on(buries).unwrap();
    drop(silent);
    still_served(&swarm, &elsewhere, 8488);

    let manager = swarm.manager().unwrap();
    manager
        .docker(&["node", "update", "--label-add", "awaited=yes", "node2"])
        .unwrap();
    let arrived = waiting.wait_for_tasks(1, TASKS);
    let same = arrived.as_ref().is_ok_and(|tasks| tasks[0].id == ids[1]);
    let served = swarm.wait_until_served(&waiting.id, 1, Duration::from_secs(5));
    manager
        .docker(&["node", "update", "--label-rm", "awaited", "node2"])
        .unwrap();
    assert!(same, "the same task: {arrived:?}");
    served
        .context("the task that was said to be dead before it lived")
        .unwrap();
    swarm.wait_for_agents().unwrap();
}

fn still_served(swarm: &Swarm, service: &Service<'_>, port: u16) {
    swarm
        .wait_until_served(&service.id, 1, Duration::from_secs(5))
        .unwrap();
    for node in &swarm.nodes {
        swarm.client.sequential((node.addr, port), 3).unwrap();
    }
}
