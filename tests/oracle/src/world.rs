//! Two nodes and what happens to them, step by step.

use crate::claims::Event;
use crate::frame::Frame as FrameSpec;
use crate::hook::Hook;
use crate::host::Call;
use crate::names::{BRIDGE, Node, OTHER_BRIDGE, UPLINK};
use crate::sums::{self, ETHERNET, TCP, right, sum};
use crate::tables::Tables;
use arbitrary::{Arbitrary, Result, Unstructured};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

/// Steps of a story at the most.
const STEPS: usize = 24;
/// Frames that may come again.
const POOL: usize = 8;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A frame out of nothing.
    Frame(AttachPoint, FrameSpec),
    /// One that there was, or the answer to it.
    Again(AttachPoint, Echo),
    Call(bool, Call),
    Change(bool, Tables),
    Time(u8),
}

/// The hook at which a node gets a frame, and how the kernel presents the frame there.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct AttachPoint {
    second: bool,
    hook: Hook,
    no_route: bool,
    merged: Option<(u8, u16)>,
    socket: u8,
    other_bridge: bool,
}

#[derive(Arbitrary, Debug)]
struct Echo {
    which: u8,
    answer: bool,
    flags: Option<u8>,
}

struct World {
    nodes: [Memory; 2],
    tables: u32,
    pool: Vec<Vec<u8>>,
}

/// Reads the story and checks every step of it.
pub(crate) fn run_story(story: &mut Unstructured<'_>) -> Result<()> {
    let tables = Tables::arbitrary(story)?;
    let mut world = World {
        nodes: Default::default(),
        tables: 0,
        pool: Vec::new(),
    };
    world.change(Node::First, &tables);
    world.change(Node::Second, &tables);
    for _ in 0..STEPS {
        if story.is_empty() {
            break;
        }
        match Step::arbitrary(story)? {
            Step::Frame(attach_point, frame) => world.send(attach_point, frame.bytes()),
            Step::Again(attach_point, echo) => {
                if let Some(frame) = world.echo(&echo) {
                    world.send(attach_point, frame);
                }
            }
            Step::Call(second, call) => call.on(&world.nodes[usize::from(second)]),
            Step::Change(second, tables) => {
                let node = if second { Node::Second } else { Node::First };
                world.change(node, &tables);
            }
            Step::Time(ticks) => {
                for node in &mut world.nodes {
                    node.now += u32::from(ticks);
                }
            }
        }
    }
    Ok(())
}

impl World {
    fn change(&mut self, node: Node, tables: &Tables) {
        self.tables += 1;
        let memory = &mut self.nodes[usize::from(node == Node::Second)];
        tables.write(memory, node, self.tables);
    }

    fn echo(&self, echo: &Echo) -> Option<Vec<u8>> {
        let mut frame = self.pool.get(usize::from(echo.which) % POOL)?.clone();
        let sums = right(&frame, ETHERNET)?;
        let packet = sums::packet(&frame, ETHERNET)?;
        let (l4, proto) = (ETHERNET + packet.header.len(), packet.proto);
        let end = l4 + packet.payload.len();
        if end < l4 + 18 {
            return Some(frame);
        }
        if echo.answer {
            // Sums do not change with the order of words.
            for at in 0..4 {
                frame.swap(ETHERNET + 12 + at, ETHERNET + 16 + at);
            }
            frame.swap(l4, l4 + 2);
            frame.swap(l4 + 1, l4 + 3);
        }
        if let Some(flags) = echo.flags
            && proto == TCP
            && sums.payload
        {
            frame[l4 + 13] = flags;
            frame[l4 + 16..l4 + 18].fill(0);
            let length = u16::try_from(end - l4).ok()?.to_be_bytes();
            let ends = &frame[ETHERNET + 12..ETHERNET + 20];
            let checksum = !sum(&[ends, &[0, proto], &length, &frame[l4..end]]);
            frame[l4 + 16..l4 + 18].copy_from_slice(&checksum.to_be_bytes());
        }
        Some(frame)
    }

    fn send(&mut self, attach_point: AttachPoint, bytes: Vec<u8>) {
        let memory = &self.nodes[usize::from(attach_point.second)];
        let was = memory.clone();
        let (verdict, after) = run(attach_point, memory, &bytes);
        Event {
            hook: attach_point.hook,
            was: &was,
            is: memory,
            before: &bytes,
            after: &after,
            verdict,
        }
        .check();
        if attach_point.hook == Hook::Tc && attach_point.merged.is_none() {
            in_two(attach_point, &was, memory, &bytes, (verdict, &after));
        }
        for frame in [bytes, after] {
            if !self.pool.contains(&frame) {
                self.pool.insert(0, frame);
            }
        }
        self.pool.truncate(POOL);
    }
}

fn run(attach_point: AttachPoint, memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    if attach_point.hook == Hook::Xdp {
        let mut frame = Frame::<false>::new(bytes.to_vec());
        (frame.routed, frame.link) = (!attach_point.no_route, UPLINK);
        let verdict = uplink(&mut frame, memory);
        return (verdict, frame.bytes);
    }
    let mut frame = Frame::<true>::new(bytes.to_vec());
    frame.routed = !attach_point.no_route;
    frame.link = match attach_point.hook {
        Hook::Bridge if attach_point.other_bridge => OTHER_BRIDGE,
        Hook::Bridge => BRIDGE,
        _ => UPLINK,
    };
    if let Some((segments, size)) = attach_point.merged {
        (frame.segments, frame.segment_size) = (u32::from(segments), u32::from(size));
    }
    frame.socket = u64::from(attach_point.socket & 3);
    let verdict = match attach_point.hook {
        Hook::Xdp | Hook::Tc => uplink(&mut frame, memory),
        Hook::Bridge => bridge(&mut frame, memory),
        Hook::Egress => egress(&mut frame, memory),
    };
    (verdict, frame.bytes)
}

/// Asserts that tc alone decides as XDP and tc together do.
fn in_two(
    attach_point: AttachPoint,
    was: &Memory,
    is: &Memory,
    bytes: &[u8],
    alone: (Verdict, &[u8]),
) {
    let memory = was.clone();
    let xdp = AttachPoint {
        hook: Hook::Xdp,
        ..attach_point
    };
    let (mut verdict, mut after) = run(xdp, &memory, bytes);
    if verdict == Verdict::Pass {
        (verdict, after) = run(attach_point, &memory, &after);
    }
    assert_eq!((verdict, &after[..]), alone, "XDP and tc against tc alone");
    let tasks = |memory: &Memory| -> Vec<_> {
        let flows = memory.flows.borrow();
        let task = |(tuple, flow): (&lb_abi::flow::Tuple, &lb_abi::flow::Flow)| (*tuple, flow.task);
        flows.iter().map(task).collect()
    };
    assert_eq!(tasks(&memory), tasks(is), "flows of XDP and tc");
    assert_eq!(*memory.turns.borrow(), *is.turns.borrow(), "turns");
}

#[cfg(test)]
mod tests;
