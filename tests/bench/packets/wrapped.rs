//! A program with a wrapper around it that gives it the same packet again and again, or one
//! packet of each flow in turn.

use anyhow::{Context as _, Result, ensure};
use aya::maps::{MapData, ProgramArray};
use aya::programs::{ProgramFd, SchedClassifier, TestRunResult, Xdp};
use aya::{Ebpf, EbpfLoader, TestRun as _, TestRunOptions};
use zerocopy::IntoBytes as _;

use super::plan::{HEAD, Plan};

/// Where the program that is measured is attached in life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Xdp,
    Tc,
}

/// The order in which flows send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they are numbered.
    Counted,
    /// Each once in as many packets as there are flows, and never a neighbour of the last.
    Mixed,
}

/// A frame, and the 2^`bits` flows that send it: the client's address and port differ.
pub(crate) struct Traffic {
    pub(crate) frame: Vec<u8>,
    /// Bytes that the program may change.
    pub(crate) changed: usize,
    /// Offset of the client's address.
    pub(crate) address_at: usize,
    /// Offset of the client's port.
    pub(crate) port_at: usize,
    pub(crate) bits: u32,
    pub(crate) order: Order,
}

/// The wrapper, in the kernel.
pub(crate) struct Wrapped {
    ebpf: Ebpf,
    /// Held: the kernel empties it when nobody has a handle on it.
    _measured: ProgramArray<MapData>,
    level: Level,
    frame: Vec<u8>,
    context: Vec<u8>,
}

/// Programs of the object.
const WRAPPERS: [(Level, &str, &str); 2] = [
    (Level::Xdp, "wrapper_xdp", "bare_xdp"),
    (Level::Tc, "wrapper_tc", "bare_tc"),
];

impl Wrapped {
    /// Wraps `program`, or one that does nothing. Its frames come in on device `link`.
    pub(crate) fn new(
        object: &[u8],
        level: Level,
        program: Option<&ProgramFd>,
        link: u32,
        traffic: Traffic,
    ) -> Result<Self> {
        let plan = traffic.plan()?;
        let mut ebpf = EbpfLoader::new()
            .override_global("PLAN", plan.as_bytes(), true)
            .load(object)?;
        let mut measured = Self::loaded(&mut ebpf, level)?;
        if let Some(program) = program {
            measured.set(0, program, 0)?;
        }
        Ok(Self {
            ebpf,
            _measured: measured,
            level,
            context: context(level, link, traffic.frame.len())?,
            frame: traffic.frame,
        })
    }

    /// Loads the two programs of a level. The wrapper goes on in the bare one, until told otherwise.
    fn loaded(ebpf: &mut Ebpf, level: Level) -> Result<ProgramArray<MapData>> {
        let map = ebpf.take_map("MEASURED").context("the map MEASURED")?;
        let mut measured = ProgramArray::try_from(map)?;
        for (of, wrapper, bare) in WRAPPERS {
            if of != level {
                continue;
            }
            for name in [wrapper, bare] {
                let program = ebpf.program_mut(name).context(name)?;
                match level {
                    Level::Xdp => <&mut Xdp>::try_from(program)?.load()?,
                    Level::Tc => <&mut SchedClassifier>::try_from(program)?.load()?,
                }
            }
            let bare = ebpf.program(bare).context(bare)?.fd()?;
            measured.set(0, bare, 0)?;
        }
        Ok(measured)
    }

    /// Lets so many packets through. The calling thread is in the namespace of the device.
    pub(crate) fn run(&self, packets: u32) -> Result<TestRunResult> {
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            ctx_in: Some(&self.context),
            repeat: packets,
            ..TestRunOptions::default()
        };
        let wrapper = WRAPPERS.iter().find(|(level, ..)| *level == self.level);
        let (_, name, _) = wrapper.context("a wrapper")?;
        let program = self.ebpf.program(name).context(*name)?;
        let ran = match self.level {
            Level::Xdp => <&Xdp>::try_from(program)?.test_run(options),
            Level::Tc => <&SchedClassifier>::try_from(program)?.test_run(options),
        };
        ran.with_context(|| format!("running {name}"))
    }
}

impl Traffic {
    fn plan(&self) -> Result<Plan> {
        let words = self.changed.div_ceil(8);
        ensure!(
            words * 8 <= HEAD.min(self.frame.len()),
            "{} bytes of a frame of {} can't be restored",
            self.changed,
            self.frame.len()
        );
        let mut head = [0; HEAD / 8];
        for (word, bytes) in head.iter_mut().zip(self.frame.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        // Full period over the low bits (Hull and Dobell, SIAM Review 1962).
        let (factor, step) = match self.order {
            Order::Counted => (1, 1),
            Order::Mixed => (1_664_525, 1_013_904_223),
        };
        Ok(Plan {
            head,
            restored: u32::try_from(words)?,
            length: u32::try_from(self.frame.len())?,
            mask: (1 << self.bits) - 1,
            factor,
            step,
            host_at: u32::try_from(self.address_at + 3)?,
            port_at: u32::try_from(self.port_at)?,
            zero: 0,
        })
    }
}

/// `struct xdp_md` or `struct __sk_buff` (include/uapi/linux/bpf.h), of which the kernel wants
/// the device, and of XDP the frame's length.
fn context(level: Level, link: u32, length: usize) -> Result<Vec<u8>> {
    let words = match level {
        Level::Xdp => vec![0, u32::try_from(length)?, 0, link, 0, 0],
        Level::Tc => {
            let mut words = vec![0; 48];
            if let Some(ifindex) = words.get_mut(10) {
                *ifindex = link;
            }
            words
        }
    };
    Ok(words.as_bytes().to_vec())
}
