//! Running a loaded program on one frame, without a device (`BPF_PROG_TEST_RUN`),
//! and reading what programs keep.
//!
//! The program sees the maps that live traffic sees, so a trial of a client's
//! packet makes a flow and takes a turn. What the program does with the frame is
//! returned and not carried out: nothing is sent.

use super::hooks::program;
use super::maps::{Plain, Table, observe_error};
use super::{BpfKernel, Failure};
use aya::maps::{MapError, PerCpuArray};
use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, Xdp};
use aya::{TestRun, TestRunOptions};
use lb_abi::call::{Call, Called};
use lb_abi::counters::Reason;
use lb_abi::flow::{Caller, Flow, Fragments, Ports, Reply, Tuple};
use lb_abi::service::Port;
use lb_core::ids::Key;
use lb_core::kernel::ObserveError;
use lb_core::state::HookKind;
use std::collections::BTreeMap;
use thiserror::Error;
use zerocopy::{Immutable, IntoBytes};

/// Room for what a program adds to a frame, with some to spare.
const ROOM: usize = 256;

/// A frame as it arrives at a hook.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Index of the device, in the caller's network namespace. XDP wants one whose
    /// receive queue is ready for XDP: with GRO or a program on it, if it is a veth.
    pub link: u32,
    /// From its Ethernet header on. The kernel refuses less than 15 bytes, and may
    /// refuse less than a whole IPv4 header under tc.
    pub frame: &'a [u8],
    /// Payload per segment if it stands for several merged packets, else 0. tc only.
    pub segment_size: u32,
    /// How many packets were merged, else 0. tc only.
    pub segments: u32,
}

impl<'a> Arrival<'a> {
    /// One packet.
    #[must_use]
    pub fn new(link: u32, frame: &'a [u8]) -> Self {
        Self {
            link,
            frame,
            segment_size: 0,
            segments: 0,
        }
    }
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the program wants done with it.
    pub action: Action,
    /// Its bytes afterwards.
    pub frame: Vec<u8>,
}

/// What a program can want done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `XDP_PASS`, `TC_ACT_UNSPEC`: the kernel goes on with it.
    Pass,
    /// `XDP_DROP`, `TC_ACT_SHOT`.
    Drop,
    /// `XDP_TX`: out of the device that it came from.
    Transmit,
    /// `TC_ACT_REDIRECT`: out of another device.
    Redirect,
    /// Something that no program of ours returns.
    Other(u32),
}

/// A trial did not take place.
#[derive(Debug, Error)]
pub enum TrialError {
    /// The object lacks it.
    #[error("there is no program {0}")]
    NoProgram(&'static str),
    /// It is on the root cgroup, and sees system calls.
    #[error("{0} does not work on frames")]
    NoFrames(&'static str),
    /// The kernel says nothing about it.
    #[error("the kernel could not be asked about {program}")]
    Unknown {
        /// The program.
        program: &'static str,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The kernel refused.
    #[error("the kernel refused to run {program} on a frame of {length} bytes")]
    Refused {
        /// The program.
        program: &'static str,
        /// Bytes of the frame.
        length: usize,
        /// Why.
        #[source]
        source: ProgramError,
    },
}

impl BpfKernel {
    /// Runs the program of a hook on one frame, and says what it did with it.
    ///
    /// # Errors
    /// When the kernel did not run it: the frame is too short or too long, or the
    /// device is unknown or not ready.
    pub fn trial(&self, kind: HookKind, arrival: &Arrival<'_>) -> Result<Outcome, TrialError> {
        let name = program(kind);
        let loaded = self.hooks.ebpf.program(name);
        let loaded = loaded.ok_or(TrialError::NoProgram(name))?;
        let refused = |source| TrialError::Refused {
            program: name,
            length: arrival.frame.len(),
            source,
        };
        let mut frame = vec![0; arrival.frame.len() + ROOM];
        let mut options = TestRunOptions {
            data_in: Some(arrival.frame),
            data_out: Some(&mut frame),
            ..TestRunOptions::default()
        };
        let (ran, action): (_, fn(u32) -> Action) = match kind {
            HookKind::UplinkXdp => {
                let context = XdpContext::of(arrival);
                options.ctx_in = Some(context.as_bytes());
                let xdp: &Xdp = loaded.try_into().map_err(refused)?;
                (xdp.test_run(options), xdp_action)
            }
            kind if kind.on_host() => return Err(TrialError::NoFrames(name)),
            _ => {
                let context = TcContext::of(arrival);
                options.ctx_in = Some(context.as_bytes());
                let tc: &SchedClassifier = loaded.try_into().map_err(refused)?;
                (tc.test_run(options), tc_action)
            }
        };
        let ran = ran.map_err(refused)?;
        frame.truncate(ran.data_size_out as usize);
        Ok(Outcome {
            action: action(ran.return_value),
            frame,
        })
    }

    /// The kernel's id of the program of a hook.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn program_id(&self, kind: HookKind) -> Result<u32, TrialError> {
        self.program_info(kind).map(|info| info.id())
    }

    /// Instructions that the verifier walked through in the program of a hook: what
    /// it costs of the kernel's limit. None where the kernel does not tell.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn verified_instructions(&self, kind: HookKind) -> Result<Option<u32>, TrialError> {
        self.program_info(kind)
            .map(|info| info.verified_instruction_count())
    }

    fn program_info(&self, kind: HookKind) -> Result<ProgramInfo, TrialError> {
        let program = program(kind);
        let loaded = self.hooks.ebpf.program(program);
        let loaded = loaded.ok_or(TrialError::NoProgram(program))?;
        loaded
            .info()
            .map_err(|source| TrialError::Unknown { program, source })
    }

    /// Says how many flows a task has; [`BpfKernel::weigh`] knows better.
    ///
    /// # Errors
    /// When the map could not be written.
    pub fn set_load(&mut self, task: Key, flows: u64) -> Result<(), ObserveError> {
        self.maps.loads.insert(task.0, flows).map_err(observe_error)
    }

    /// Flows, as clients see them.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn flows(&self) -> Result<BTreeMap<Tuple, Flow>, ObserveError> {
        self.maps.flows.walk(|_| true).map_err(observe_error)
    }

    /// What tasks' packets become.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn replies(&self) -> Result<BTreeMap<Tuple, Reply>, ObserveError> {
        let mut replies = all(&self.maps.answering)?;
        replies.extend(all(&self.maps.replies)?);
        Ok(replies)
    }

    /// Ports of packets that came in pieces.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn fragments(&self) -> Result<BTreeMap<Fragments, Ports>, ObserveError> {
        all(&self.maps.fragments)
    }

    /// What processes on the node asked for.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn calls(&self) -> Result<BTreeMap<Call, Called>, ObserveError> {
        all(&self.maps.calls)
    }

    /// Containers of this node that call, by the tuple that they are presented under.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn callers(&self) -> Result<BTreeMap<Tuple, Caller>, ObserveError> {
        all(&self.maps.callers)
    }

    /// Turns taken so far, by published port.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn turns(&self) -> Result<BTreeMap<Port, u64>, ObserveError> {
        all(&self.maps.turns)
    }

    /// Packets dropped so far, by reason.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError> {
        const NAME: &str = "LB_DROPS";
        let failed = |source| observe_error(Failure::Map { map: NAME, source });
        let map = self.hooks.ebpf.map(NAME).ok_or_else(|| {
            failed(MapError::InvalidName {
                name: NAME.to_owned(),
            })
        })?;
        let map = PerCpuArray::<_, u64>::try_from(map).map_err(failed)?;
        let mut drops = BTreeMap::new();
        for reason in Reason::ALL {
            let cpus = map.get(&(*reason as u32), 0).map_err(failed)?;
            drops.insert(*reason, cpus.iter().sum());
        }
        Ok(drops)
    }
}

fn all<K: Plain + Ord, V: Plain>(map: &Table<K, V>) -> Result<BTreeMap<K, V>, ObserveError> {
    let entries = map.entries().map_err(observe_error)?;
    Ok(entries.into_iter().collect())
}

/// Return codes of XDP programs (include/uapi/linux/bpf.h).
fn xdp_action(code: u32) -> Action {
    match code {
        1 => Action::Drop,
        2 => Action::Pass,
        3 => Action::Transmit,
        other => Action::Other(other),
    }
}

/// Return codes of tc programs (include/uapi/linux/pkt_cls.h).
fn tc_action(code: u32) -> Action {
    match code {
        // `TC_ACT_UNSPEC`, -1.
        u32::MAX => Action::Pass,
        2 => Action::Drop,
        7 => Action::Redirect,
        other => Action::Other(other),
    }
}

/// `struct xdp_md` (include/uapi/linux/bpf.h).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct XdpContext {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

impl XdpContext {
    fn of(arrival: &Arrival<'_>) -> Self {
        Self {
            data: 0,
            // Longer than 4 GiB is refused by the kernel for its length.
            data_end: u32::try_from(arrival.frame.len()).unwrap_or(u32::MAX),
            data_meta: 0,
            ingress_ifindex: arrival.link,
            rx_queue_index: 0,
            egress_ifindex: 0,
        }
    }
}

/// `struct __sk_buff` (include/uapi/linux/bpf.h); the kernel wants zero in what stands
/// between the named fields.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct TcContext {
    before: [u32; 10],
    ifindex: u32,
    between: [u32; 30],
    gso_segs: u32,
    sk: [u32; 2],
    gso_size: u32,
    after: [u32; 3],
}

impl TcContext {
    fn of(arrival: &Arrival<'_>) -> Self {
        Self {
            before: [0; 10],
            ifindex: arrival.link,
            between: [0; 30],
            gso_segs: arrival.segments,
            sk: [0; 2],
            gso_size: arrival.segment_size,
            after: [0; 3],
        }
    }
}

const _: () = assert!(size_of::<TcContext>() == 192);
const _: () = assert!(std::mem::offset_of!(TcContext, ifindex) == 40);
const _: () = assert!(std::mem::offset_of!(TcContext, gso_segs) == 164);
const _: () = assert!(std::mem::offset_of!(TcContext, gso_size) == 176);
