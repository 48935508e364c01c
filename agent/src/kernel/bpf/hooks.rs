//! Attaching programs: through links that are pinned and adopted, or filters where the kernel
//! has no such links for tc.

use super::{Failure, cgroup, clsact};
use crate::kernel::device_name;
use aya::Ebpf;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::TcAttachOptions;
use aya::programs::xdp::XdpMode;
use aya::programs::{CgroupSockAddr, LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp};
use lb_core::backend::ebpf::{Hook, HookKind};
use std::collections::BTreeSet;
use std::error::Error;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

/// The loaded programs, and where their links are pinned.
pub(crate) struct Hooks {
    pub(crate) ebpf: Ebpf,
    pub(crate) directory: PathBuf,
    /// The host's root cgroup, where the operator named it.
    pub(crate) cgroup: Option<PathBuf>,
    /// How programs under tc are attached.
    pub(crate) tc: Tc,
}

/// How programs under tc are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tc {
    /// By links, since Linux 6.6.
    Tcx,
    /// As filters of a `clsact` queueing discipline.
    Clsact,
}

impl Tc {
    /// The best attachment that this kernel supports, by a query, not by the kernel's version.
    #[must_use]
    pub fn of_kernel() -> Self {
        // Each network namespace has the device `lo`; kernels before 6.6 refuse the query.
        match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
            Ok(_) => Self::Tcx,
            Err(_) => Self::Clsact,
        }
    }

    /// Its name, as `lbctl status` shows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// Name of the program for a hook, in the object.
pub(crate) const fn program(kind: HookKind) -> &'static str {
    match kind {
        HookKind::UplinkXdp => "lb_uplink_xdp",
        HookKind::UplinkTc => "lb_uplink_tc",
        HookKind::BridgeTc => "lb_bridge_tc",
        HookKind::PortTc => "lb_port_tc",
        HookKind::UplinkEgress => "lb_uplink_egress",
        HookKind::HostConnect4 => "lb_connect4",
        HookKind::HostConnect6 => "lb_connect6",
        HookKind::HostSend4 => "lb_sendmsg4",
        HookKind::HostSend6 => "lb_sendmsg6",
        HookKind::HostReceive4 => "lb_recvmsg4",
        HookKind::HostReceive6 => "lb_recvmsg6",
        HookKind::HostPeer4 => "lb_getpeername4",
        HookKind::HostPeer6 => "lb_getpeername6",
    }
}

impl Hooks {
    /// Replaces the programs of an earlier agent by the new ones, each atomically. Removes the links of devices
    /// that are gone.
    pub(crate) fn adopt(&mut self) -> Result<(), Failure> {
        for hook in self.filters()? {
            if self.attach(hook).is_err() {
                self.detach(hook)?;
            }
        }
        for hook in self.pinned()? {
            if !exists(hook) || self.update(hook).is_err() {
                self.detach(hook)?;
            }
        }
        Ok(())
    }

    /// Hooks with a program attached now. A hook of a device that is gone counts as long as it has a pin, which
    /// detaching removes.
    pub(crate) fn attached(&self) -> Result<BTreeSet<Hook>, Failure> {
        let mut hooks = self.pinned()?;
        hooks.extend(self.filters()?);
        Ok(hooks)
    }

    /// Attaches a program. It stays attached when the agent ends.
    pub(crate) fn attach(&mut self, hook: Hook) -> Result<(), Failure> {
        if self.is_filter(hook) {
            return self.put_filter(hook);
        }
        let link: FdLink = match hook.kind {
            kind if kind.on_host() => self.link_cgroup(hook)?,
            HookKind::UplinkXdp => self.link_xdp(hook)?,
            HookKind::UplinkEgress => self.link_tc(hook, TcAttachType::Egress)?,
            _ => self.link_tc(hook, TcAttachType::Ingress)?,
        };
        let path = self.path(hook);
        // Left from a device that had this index before.
        let _ = std::fs::remove_file(&path);
        link.pin(&path)
            .map(drop)
            .map_err(|error| Failure::attach(hook, error))
    }

    /// Detaches: without pin and handle the kernel drops the link.
    pub(crate) fn detach(&mut self, hook: Hook) -> Result<(), Failure> {
        if self.is_filter(hook) {
            return clsact::detach(hook).map_err(Failure::Filter);
        }
        let path = self.path(hook);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::Pin {
                path: path.display().to_string(),
                source: error,
            }),
            _ => Ok(()),
        }
    }

    fn update(&mut self, hook: Hook) -> Result<(), Box<dyn Error + Send + Sync>> {
        if hook.kind.on_host() {
            // Beside the old one for a moment: what that has changed, this leaves alone.
            return Ok(self.attach(hook)?);
        }
        let link = FdLink::from(PinnedLink::from_pin(self.path(hook))?);
        match hook.kind {
            HookKind::UplinkXdp => {
                let xdp: &mut Xdp = self.program(hook.kind)?.try_into()?;
                let id = xdp.attach_to_link(link.try_into()?)?;
                xdp.take_link(id).map(drop_handle)?;
            }
            _ => {
                let tc: &mut SchedClassifier = self.program(hook.kind)?.try_into()?;
                let id = tc.attach_to_link(link.try_into()?)?;
                tc.take_link(id).map(drop_handle)?;
            }
        }
        Ok(())
    }

    fn link_cgroup(&mut self, hook: Hook) -> Result<FdLink, Failure> {
        let cgroup = self.cgroup.clone();
        let program: &mut CgroupSockAddr = self
            .program(hook.kind)
            .and_then(|program| Ok(program.try_into()?))
            .map_err(|error| Failure::attach(hook, error))?;
        cgroup::link(program, hook, cgroup.as_deref())
    }

    fn link_xdp(&mut self, hook: Hook) -> Result<FdLink, Failure> {
        let name = device(hook.link)?;
        let xdp: &mut Xdp = self
            .program(hook.kind)
            .and_then(|program| Ok(program.try_into()?))
            .map_err(|error| Failure::attach(hook, error))?;
        // Native only: generic XDP runs after packets were merged, where tc does better.
        let id =
            xdp.attach_to_if_index(hook.link, XdpMode::Driver)
                .map_err(|error| match occupied(&error) {
                    true => Failure::Foreign { link: name.clone() },
                    false => Failure::attach(hook, error),
                })?;
        let link = xdp
            .take_link(id)
            .map_err(|error| Failure::attach(hook, error))?;
        link.try_into()
            .map_err(|error| Failure::attach(hook, error))
    }

    fn link_tc(&mut self, hook: Hook, way: TcAttachType) -> Result<FdLink, Failure> {
        let name = device(hook.link)?;
        let tc: &mut SchedClassifier = self
            .program(hook.kind)
            .and_then(|program| Ok(program.try_into()?))
            .map_err(|error| Failure::attach(hook, error))?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        let id = tc
            .attach_with_options(&name, way, options)
            .map_err(|error| Failure::attach(hook, error))?;
        let link = tc
            .take_link(id)
            .map_err(|error| Failure::attach(hook, error))?;
        link.try_into()
            .map_err(|error| Failure::attach(hook, error))
    }

    /// Is the program of a hook a filter, or would be, and has no pin?
    fn is_filter(&self, hook: Hook) -> bool {
        self.tc == Tc::Clsact && !hook.kind.on_host() && hook.kind != HookKind::UplinkXdp
    }

    /// Programs that are attached as filters.
    fn filters(&self) -> Result<BTreeSet<Hook>, Failure> {
        match self.tc {
            Tc::Tcx => Ok(BTreeSet::new()),
            Tc::Clsact => clsact::attached().map_err(Failure::Filter),
        }
    }

    fn put_filter(&mut self, hook: Hook) -> Result<(), Failure> {
        let program = self
            .program(hook.kind)
            .map_err(|error| Failure::attach(hook, error))?;
        let program = program.fd().map_err(|error| Failure::attach(hook, error))?;
        clsact::attach(hook, program.as_fd()).map_err(|error| Failure::attach(hook, error))
    }

    fn program(
        &mut self,
        kind: HookKind,
    ) -> Result<&mut aya::programs::Program, Box<dyn Error + Send + Sync>> {
        let name = program(kind);
        self.ebpf
            .program_mut(name)
            .ok_or_else(|| format!("the object has no program {name}").into())
    }

    fn path(&self, hook: Hook) -> PathBuf {
        self.directory.join(hook.to_string())
    }

    /// The hooks that have a pin.
    fn pinned(&self) -> Result<BTreeSet<Hook>, Failure> {
        let unreadable = |source| Failure::Pin {
            path: self.directory.display().to_string(),
            source,
        };
        let mut hooks = BTreeSet::new();
        for entry in std::fs::read_dir(&self.directory).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            hooks.extend(name.to_str().and_then(parse));
        }
        Ok(hooks)
    }
}

/// The hook that a pin is named after.
fn parse(name: &str) -> Option<Hook> {
    HookKind::ALL.into_iter().find_map(|kind| {
        let link = name
            .strip_prefix(kind.as_str())?
            .strip_prefix('-')?
            .parse()
            .ok()?;
        Some(Hook { kind, link })
    })
}

/// Does the device of the hook still exist?
fn exists(hook: Hook) -> bool {
    hook.kind.on_host() || device(hook.link).is_ok()
}

/// Name of the device with an index.
fn device(index: u32) -> Result<String, Failure> {
    device_name(index).ok_or(Failure::NoDevice(index))
}

/// Does the error say that another program is attached there?
fn occupied(error: &ProgramError) -> bool {
    matches!(error, ProgramError::SyscallError(error)
        if matches!(error.io_error.raw_os_error(), Some(nix::libc::EBUSY | nix::libc::EEXIST)))
}

/// The pin keeps the link; our handle is not needed.
fn drop_handle<T>(link: T) {
    drop(link);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_names_its_hook() {
        for kind in HookKind::ALL {
            let hook = Hook { kind, link: 7 };
            assert_eq!(parse(&hook.to_string()), Some(hook));
        }
        assert_eq!(parse("LB_FLOWS"), None);
        assert_eq!(parse("uplink-xdp-"), None);
    }
}
