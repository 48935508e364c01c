//! Running a loaded program on one frame, without a device (`BPF_PROG_TEST_RUN`).
//!
//! The program sees the maps that live traffic sees, so a test run of a client's packet makes a flow and
//! increments the round-robin counter. The program's decision is returned and not carried out: nothing is
//! sent.

use crate::kernel::bpf::BpfKernel;
use crate::kernel::bpf::hooks::program;
use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, Xdp};
use aya::{TestRun, TestRunOptions};
use lb_core::backend::ebpf::HookKind;
use thiserror::Error;
use zerocopy::{Immutable, IntoBytes};

/// Headroom for headers that a program adds to the frame.
const ROOM: usize = 256;

/// A frame as it arrives at a hook.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Index of the device, in the caller's network namespace. XDP wants one whose
    /// receive queue is ready for XDP: with GRO or a program on it, if it is a veth.
    pub link: u32,
    /// Index of the device on which the host received what it passes on, 0 for what it sends itself. For the hook at
    /// which frames leave.
    pub received_on: u32,
    /// Bytes from the Ethernet header on. The kernel refuses less than 15 bytes, and may
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
            received_on: 0,
            frame,
            segment_size: 0,
            segments: 0,
        }
    }
}

/// Result of a test run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRunResult {
    /// The program's decision.
    pub action: Action,
    /// The frame after the program, as bytes.
    pub frame: Vec<u8>,
}

/// Decision of a program about a frame.
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
    /// A code that no program of swarmlb returns.
    Other(u32),
}

/// Errors of a test run.
#[derive(Debug, Error)]
pub enum TestRunError {
    /// The object has no such program.
    #[error("there is no program {0}")]
    NoProgram(&'static str),
    /// The program is attached to the root cgroup, and sees system calls, not frames.
    #[error("{0} does not work on frames")]
    NoFrames(&'static str),
    /// The kernel gave no information about the program.
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
    /// Runs the program of a hook on one frame.
    ///
    /// # Errors
    /// When the kernel did not run it: the frame is too short or too long, or the
    /// device is unknown or not ready.
    pub fn test_run(
        &self,
        kind: HookKind,
        arrival: &Arrival<'_>,
    ) -> Result<TestRunResult, TestRunError> {
        let name = program(kind);
        let loaded = self.hooks.ebpf.program(name);
        let loaded = loaded.ok_or(TestRunError::NoProgram(name))?;
        let refused = |source| TestRunError::Refused {
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
            kind if kind.on_host() => return Err(TestRunError::NoFrames(name)),
            _ => {
                let context = TcContext::of(arrival);
                options.ctx_in = Some(context.as_bytes());
                let tc: &SchedClassifier = loaded.try_into().map_err(refused)?;
                (tc.test_run(options), tc_action)
            }
        };
        let ran = ran.map_err(refused)?;
        frame.truncate(ran.data_size_out as usize);
        Ok(TestRunResult {
            action: action(ran.return_value),
            frame,
        })
    }

    /// The kernel's id of the program of a hook.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn program_id(&self, kind: HookKind) -> Result<u32, TestRunError> {
        self.program_info(kind).map(|info| info.id())
    }

    /// Instructions that the verifier walked through in the program of a hook: what
    /// it costs of the kernel's limit. None where the kernel does not tell.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn verified_instructions(&self, kind: HookKind) -> Result<Option<u32>, TestRunError> {
        self.program_info(kind)
            .map(|info| info.verified_instruction_count())
    }

    fn program_info(&self, kind: HookKind) -> Result<ProgramInfo, TestRunError> {
        let program = program(kind);
        let loaded = self.hooks.ebpf.program(program);
        let loaded = loaded.ok_or(TestRunError::NoProgram(program))?;
        loaded
            .info()
            .map_err(|source| TestRunError::Unknown { program, source })
    }
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
    before: [u32; 9],
    ingress_ifindex: u32,
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
            before: [0; 9],
            ingress_ifindex: arrival.received_on,
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
const _: () = assert!(std::mem::offset_of!(TcContext, ingress_ifindex) == 36);
const _: () = assert!(std::mem::offset_of!(TcContext, ifindex) == 40);
const _: () = assert!(std::mem::offset_of!(TcContext, gso_segs) == 164);
const _: () = assert!(std::mem::offset_of!(TcContext, gso_size) == 176);
