//! A place for programs and devices that nobody else sees, and that leaves nothing.
//!
//! The test runs on a thread of its own with mounts of its own; each node there is a
//! network namespace that only open files hold. All of it goes with the thread,
//! however the test ends.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

/// MTU of uplinks.
pub(crate) const MTU: u32 = 1500;
/// The next hop towards clients.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
/// A host on another device than the uplink.
pub(crate) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Clients, behind [`GATEWAY`].
pub(crate) const CLIENTS: &str = "203.0.113.0/24";

/// Where nodes can be made.
pub(crate) struct Lab {
    bpffs: PathBuf,
    made: Cell<u32>,
}

/// Devices of one node, in its own network namespace.
pub(crate) struct Net {
    namespace: File,
    /// A directory of its own on the BPF file system.
    pub(crate) bpffs: PathBuf,
    /// Index of the device with the node's address; one end of a veth.
    pub(crate) uplink: u32,
    /// Index of another device, the far end of the first.
    pub(crate) second: u32,
    /// Index of the device that stands for `docker_gwbridge`.
    pub(crate) bridge: u32,
    /// Index of a port of that: one end of a veth, as of a container's.
    pub(crate) port: u32,
    /// Its cookie.
    pub(crate) cookie: u64,
}

/// The address of node `n`: `198.51.100.n`.
pub(crate) fn node(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, n)
}

/// The MAC address of a host on the uplinks' network.
pub(crate) fn mac(host: Ipv4Addr) -> [u8; 6] {
    [2, 0, 0, 0, 1, host.octets()[3]]
}

/// Runs a test that makes nodes, where that is possible: see [`harness::shared::is_root`].
pub(crate) fn lab(test: impl FnOnce(&Lab) + Send) {
    if !harness::shared::is_root() {
        return;
    }
    let root = tempfile::Builder::new()
        .prefix("swarmlb-datapath-")
        .tempdir()
        .unwrap();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            own_mounts(root.path());
            test(&Lab {
                bpffs: root.path().to_owned(),
                made: Cell::new(0),
            });
        });
        if let Err(panic) = worker.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn own_mounts(bpffs: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    // Nothing that is mounted here may spread to the machine's own mounts.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("bpf"), bpffs, Some("bpf"), MsFlags::empty(), none).unwrap();
}

impl Lab {
    /// The BPF file system of this lab.
    pub(crate) fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// A node's devices. It reaches nodes 1 and 2, and clients through a gateway; to
    /// node 3 it knows no neighbour, to [`ELSEWHERE`] another device, and to anything
    /// else no route.
    pub(crate) fn net(&self, n: u8) -> Net {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        // The uplink forwards only where the host does.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!(
                "link add up0 address {} type veth peer name wire0",
                text(mac(node(n)))
            ),
            "link add docker_gwbridge type bridge".to_owned(),
            "link add port0 type veth peer name far0".to_owned(),
            "link set port0 master docker_gwbridge".to_owned(),
            format!("addr add {}/24 dev up0", node(n)),
            "addr add 172.18.0.1/16 dev docker_gwbridge".to_owned(),
        ];
        for device in ["up0", "wire0", "docker_gwbridge", "port0", "far0"] {
            lines.push(format!("link set {device} addrgenmode none mtu {MTU} up"));
        }
        for host in [node(1), node(2), GATEWAY] {
            if host != node(n) {
                let mac = text(mac(host));
                lines.push(format!(
                    "neigh add {host} lladdr {mac} dev up0 nud permanent"
                ));
            }
        }
        lines.push(format!("route add {CLIENTS} via {GATEWAY}"));
        lines.push("addr add 192.0.2.1/24 dev wire0".to_owned());
        lines.push(format!(
            "neigh add {ELSEWHERE} lladdr 02:00:00:00:02:02 dev wire0 nud permanent"
        ));
        ip(&lines.join("\n"));
        self.made.set(self.made.get() + 1);
        let bpffs = self.bpffs.join(format!("node{}", self.made.get()));
        std::fs::create_dir(&bpffs).unwrap();
        Net {
            namespace: File::open("/proc/thread-self/ns/net").unwrap(),
            bpffs,
            uplink: if_nametoindex("up0").unwrap(),
            second: if_nametoindex("wire0").unwrap(),
            bridge: if_nametoindex("docker_gwbridge").unwrap(),
            port: if_nametoindex("port0").unwrap(),
            cookie: agent::links::netns_cookie(),
        }
    }
}

impl Net {
    /// Brings the calling thread to this node.
    pub(crate) fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

fn ip(lines: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip -batch: {said}\n{lines}");
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
