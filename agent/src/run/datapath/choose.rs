//! Selects this node's datapath: the one that was asked for, or the first that the kernel supports.

use super::{BackendDatapath, Datapath};
use crate::cli::{self, AddressFamily, Choice};
use crate::error_chain::error_chain;
use crate::kernel::NodeKernel as _;
use crate::kernel::bpf::{BpfKernel, LoadError};
use crate::kernel::ipvs::{IpvsError, IpvsKernel};
use crate::kernel::machine;
use crate::links;
use lb_core::backend::TaskAddressFamily;
use lb_core::backend::ebpf::Ebpf;
use lb_core::table_sizes::SizedBy;
use std::path::Path;

/// No datapath can serve here.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// The eBPF path.
    #[error(transparent)]
    Ebpf(#[from] LoadError),
    /// The IPVS path.
    #[error(transparent)]
    Ipvs(#[from] IpvsError),
    /// Neither.
    #[error("neither datapath can serve here: eBPF: {ebpf}; IPVS: {ipvs}")]
    Neither {
        /// Why not by eBPF.
        ebpf: String,
        /// Why not by IPVS.
        ipvs: String,
    },
}

/// Makes the datapath that `settings` ask for ready to serve.
pub(in crate::run) fn choose(settings: &cli::Run) -> Result<Box<dyn Datapath>, ChooseError> {
    match settings.datapath {
        Choice::Ebpf => Ok(ebpf(settings)?),
        Choice::Ipvs => Ok(ipvs()?),
        Choice::Auto => match ebpf(settings) {
            // Only what nobody can mend here is a reason to serve in another way.
            Err(error @ LoadError::Unsupported { .. }) => instead(&error),
            tried => Ok(tried?),
        },
    }
}

/// IPVS, because eBPF failed.
fn instead(error: &LoadError) -> Result<Box<dyn Datapath>, ChooseError> {
    let served = ipvs().map_err(|other| ChooseError::Neither {
        ebpf: error_chain(error),
        ipvs: error_chain(&other),
    })?;
    tracing::warn!(
        error = error_chain(error),
        "the eBPF path can't serve here: IPVS does"
    );
    Ok(served)
}

fn ebpf(settings: &cli::Run) -> Result<Box<dyn Datapath>, LoadError> {
    let by_memory = || SizedBy::Memory(machine::memory());
    let sized_by = settings.flows.map_or_else(by_memory, SizedBy::Flows);
    let kernel = BpfKernel::load(&settings.bpffs.bpffs, settings.cgroup.clone(), sized_by)?;
    let family = match settings.task_address_family {
        AddressFamily::Auto if links::has_ipv6() => TaskAddressFamily::Ipv6,
        AddressFamily::Auto | AddressFamily::Ipv4 => TaskAddressFamily::Ipv4,
    };
    let backend = Ebpf::new(family);
    Ok(Box::new(BackendDatapath::with(kernel, backend)))
}

fn ipvs() -> Result<Box<dyn Datapath>, IpvsError> {
    Ok(Box::new(BackendDatapath::new(IpvsKernel::open()?)))
}

/// Removes what a datapath other than `serving` left on this node; both if none serves.
pub fn clean(bpffs: &Path, serving: Option<&str>) -> Result<(), ChooseError> {
    // Both are tried: what one can't remove must not keep the other.
    let ebpf = match serving {
        Some(BpfKernel::NAME) => Ok(()),
        _ => BpfKernel::clean(bpffs),
    };
    if serving != Some(IpvsKernel::NAME) {
        IpvsKernel::clean()?;
    }
    Ok(ebpf?)
}

/// Removes what the datapath other than `serving` left on this node; logs what can't be removed.
pub(in crate::run) fn remove_other(bpffs: &Path, serving: &str) {
    if let Err(error) = clean(bpffs, Some(serving)) {
        tracing::warn!(
            error = error_chain(&error),
            "what another datapath left can't be removed"
        );
    }
}
