//! Named network namespaces: made, entered, removed.

use std::fs::File;
use std::future::Future;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::os::linux::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::shell;

/// A namespace that exists under this name. Copies are handles to the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// The handle of a namespace made elsewhere.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Makes a namespace with its loopback up. It goes when the guard does.
    pub fn create(name: &str) -> Result<NetnsGuard> {
        shell::run(&format!("ip netns add {name}"))?;
        let guard = NetnsGuard {
            netns: Self::named(name),
            kept: false,
        };
        guard.ip("link set dev lo up")?;
        Ok(guard)
    }

    /// Names the namespace of a process. The name goes when the guard does.
    pub fn of_process(name: &str, pid: u32) -> Result<NetnsGuard> {
        shell::run(&format!("ip netns attach {name} {pid}"))?;
        Ok(NetnsGuard {
            netns: Self::named(name),
            kept: false,
        })
    }

    /// All named namespaces of this machine whose name begins so.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/run/netns") else {
            return Vec::new();
        };
        let names = entries
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with(prefix))
            .map(|name| Self { name })
            .collect()
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// The number by which `/proc/PID/ns/net` names it.
    pub fn inode(&self) -> Result<u64> {
        let path = self.path();
        let metadata = path
            .metadata()
            .with_context(|| format!("namespace {}", self.name))?;
        Ok(metadata.st_ino())
    }

    /// Runs `ip ARGS` for this namespace.
    pub fn ip(&self, args: &str) -> Result<String> {
        shell::run(&format!("ip -n {} {args}", self.name))
    }

    /// A command that will run in this namespace. It starts with the machine's
    /// mounts, cgroups included, which `ip netns exec` would hide.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let net = format!("--net={}", self.path().display());
        shell::command("nsenter", [net.as_str(), "--", program])
    }

    /// Runs a closure on a thread of its own in this namespace; sockets that it
    /// opens belong to the namespace for good. A panic passes through.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = self.path();
        let namespace = File::open(&path).with_context(|| format!("namespace {}", self.name))?;
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                Ok::<T, nix::Error>(work())
            });
            match worker.join() {
                Ok(result) => result.with_context(|| format!("entering namespace {}", self.name)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Drives a future on a runtime that lives in this namespace.
    pub fn block_on<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .map_err(|error| anyhow!("starting a runtime: {error}"))?
                .block_on(future)
        })?
    }

    /// Removes the name. The namespace itself goes with its last process.
    pub fn delete(&self) -> Result<()> {
        shell::run(&format!("ip netns delete {}", self.name)).map(drop)
    }
}

/// Owns a namespace and removes it at the end of its scope.
#[derive(Debug)]
pub struct NetnsGuard {
    netns: Netns,
    kept: bool,
}

impl NetnsGuard {
    /// Leaves the namespace in place; somebody else removes it from now on.
    pub fn keep(mut self) -> Netns {
        self.kept = true;
        self.netns.clone()
    }
}

impl Deref for NetnsGuard {
    type Target = Netns;
    fn deref(&self) -> &Netns {
        &self.netns
    }
}

impl Drop for NetnsGuard {
    fn drop(&mut self) {
        if !self.kept {
            // Already gone is as good as removed.
            let _ = self.netns.delete();
        }
    }
}

/// An address that a device has until the end of this scope.
#[derive(Debug)]
pub struct AddressGuard {
    netns: Netns,
    what: String,
}

impl Netns {
    /// Gives a device one more address.
    pub fn address(&self, device: &str, address: Ipv4Addr) -> Result<AddressGuard> {
        let what = format!("{address}/32 dev {device}");
        self.ip(&format!("address add {what}"))?;
        Ok(AddressGuard {
            netns: self.clone(),
            what,
        })
    }
}

impl Drop for AddressGuard {
    fn drop(&mut self) {
        let _ = self.netns.ip(&format!("address del {}", self.what));
    }
}
