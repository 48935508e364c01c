//! Any bytes as a message between agents, or between an agent and its HTTP router: nothing stops the agent, what is taken has its bounds, and what
//! was understood is understood the same when it is said again.

use lb_router_wire::frame::{self, Decoder};
use lb_router_wire::{ToAgent, ToRouter};
use lb_wire::proto::{ClusterStatsReply, ClusterStatsRequest, Down, Up, down, up};
use lb_wire::{Bounded, TASKS_PER_HELLO, decode, encode, event_in, event_out, report_in};
use prost::Message;
use prost::bytes::Bytes;

/// Any bytes as each message of the protocol.
pub fn protocol(bytes: &[u8]) {
    if let Some(Up { kind: Some(kind) }) = taken::<Up>(bytes) {
        upward(kind);
    }
    if let Some(Down { kind: Some(kind) }) = taken::<Down>(bytes)
        && let down::Kind::Snapshot(update) = kind
    {
        view(update.snapshot);
    }
    taken::<ClusterStatsRequest>(bytes);
    taken::<ClusterStatsReply>(bytes);
    view(Bytes::copy_from_slice(bytes));
    router::<ToAgent>(bytes);
    router::<ToRouter>(bytes);
}

/// Any bytes as a stream of messages of one direction between agent and router.
fn router<M: frame::Message + Clone + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let mut whole = Decoder::<M>::default();
    whole.push(bytes);
    let mut messages = Vec::new();
    let whole_ends = loop {
        match whole.next_message() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    // However the stream is cut, the messages are the same ones.
    let mut cut = Decoder::<M>::default();
    let mut others = Vec::new();
    let mut cut_ends = false;
    'stream: for piece in bytes.chunks(3) {
        cut.push(piece);
        loop {
            match cut.next_message() {
                Ok(Some(message)) => others.push(message),
                Ok(None) => break,
                Err(_) => {
                    cut_ends = true;
                    break 'stream;
                }
            }
        }
    }
    assert_eq!(
        (&messages, whole_ends),
        (&others, cut_ends),
        "cut otherwise"
    );
    // What was understood is understood so again.
    let mut again = Decoder::<M>::default();
    for message in &messages {
        again.push(&frame::encode(message.clone()));
        assert_eq!(again.next_message().ok().flatten().as_ref(), Some(message));
    }
}

/// The message in `bytes`, as an agent takes it.
fn taken<M: Message + Bounded + Default>(bytes: &[u8]) -> Option<M> {
    M::check(bytes).ok()?;
    M::decode(bytes).ok()
}

fn upward(kind: up::Kind) {
    match kind {
        up::Kind::Hello(hello) => {
            let told = report_in(hello);
            assert!(
                told.task_health.len() <= TASKS_PER_HELLO,
                "more task_health than fit"
            );
            let short = told
                .task_health
                .iter()
                .all(|(task, _)| task.as_str().len() <= 64);
            assert!(short, "an id that is none");
            let word = told.datapath.as_deref().unwrap_or("ebpf");
            assert!(matches!(word, "ebpf" | "ipvs"), "a datapath that is none");
        }
        up::Kind::Event(event) => {
            if let Some(event) = event_in(event) {
                assert_eq!(event_in(event_out(&event)), Some(event));
            }
        }
        up::Kind::Stats(_) | up::Kind::Subscribe(_) | up::Kind::Alive(_) => {}
    }
}

fn view(bytes: Bytes) {
    if let Ok(view) = decode(bytes) {
        let again = decode(encode(&view));
        assert_eq!(again.ok().as_ref(), Some(&view), "said again");
    }
}
