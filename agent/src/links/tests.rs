//! In network namespaces made for the test, with real devices.

use super::*;
use rtnetlink::{LinkBridge, LinkUnspec, LinkVeth};
use std::fs::File;
use std::future::Future;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::Duration;

/// A fresh network namespace with a veth pair `up0`/`far0`, both up.
pub(super) struct Net {
    handle: rtnetlink::Handle,
}

impl Net {
    async fn new() -> Self {
        let (connection, handle, _messages) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let net = Self { handle };
        let add = net.handle.link().add(LinkVeth::new("up0", "far0").build());
        add.execute().await.unwrap();
        for name in ["up0", "far0"] {
            let up = LinkUnspec::new_with_index(net.index(name).await).up();
            net.handle.link().set(up.build()).execute().await.unwrap();
        }
        net
    }

    async fn index(&self, name: &str) -> u32 {
        let devices = dump::devices().await.unwrap();
        let found = devices.iter().find(|device| device.link.name == name);
        found.unwrap().link.index
    }

    pub(super) async fn address(&self, name: &str, address: [u8; 4]) {
        let index = self.index(name).await;
        let add = self.handle.address().add(index, address.into(), 24);
        add.execute().await.unwrap();
    }

    async fn bridge(&self, name: &str) {
        let add = self.handle.link().add(LinkBridge::new(name).build());
        add.execute().await.unwrap();
    }

    async fn mtu(&self, name: &str, mtu: u32) {
        let change = LinkUnspec::new_with_index(self.index(name).await).mtu(mtu);
        let set = self.handle.link().set(change.build());
        set.execute().await.unwrap();
    }
}

/// Runs `test` in a namespace of its own: on a thread that enters it, with a runtime
/// on that thread alone. The namespace goes with the thread and its sockets.
pub(super) fn in_namespace<T: AsyncFnOnce(Net) + Send + 'static>(what: &'static str, test: T) {
    if !lb_support::rooted(what) {
        return;
    }
    let thread = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { test(Net::new().await).await });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Within a generous time on a busy machine.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("nothing happened within 10 s")
}

/// Hears out what is under way, until nothing has come for a while.
pub(super) async fn quiet(changes: &mut Changes) -> usize {
    let mut heard = 0;
    while tokio::time::timeout(Duration::from_millis(300), changes.next())
        .await
        .is_ok()
    {
        heard += 1;
        assert!(heard < 100, "it never ends");
    }
    heard
}

#[test]
fn the_uplink_the_bridge_and_the_addresses_are_read() {
    in_namespace("read", async |net| {
        net.address("up0", [192, 0, 2, 5]).await;
        net.address("up0", [198, 51, 100, 5]).await;
        net.address("far0", [203, 0, 113, 5]).await;
        net.mtu("up0", 1400).await;
        let node = Some(Ipv4Addr::new(192, 0, 2, 5));

        let facts = read(node, &[], "docker_gwbridge").await.unwrap();
        let index = net.index("up0").await;
        let up0 = Link {
            name: "up0".into(),
            index,
            mtu: 1400,
            mac: facts.uplink.mac,
            xdp: facts.uplink.xdp,
        };
        assert_ne!(facts.uplink.mac, [0; 6]);
        assert_eq!(facts.uplink, up0);
        assert_eq!(facts.bridge, None);
        let own = [[192, 0, 2, 5], [198, 51, 100, 5]].map(Ipv4Addr::from);
        assert_eq!(facts.own, BTreeSet::from(own));
        assert_eq!(facts.extra_uplinks.first().unwrap().name, "far0");
        assert_eq!(facts.addresses.len(), 3);

        net.bridge("docker_gwbridge").await;
        net.address("docker_gwbridge", [172, 18, 0, 1]).await;
        let facts = read(node, &["far0".to_owned()], "docker_gwbridge")
            .await
            .unwrap();
        assert_eq!(facts.uplink.name, "far0");
        assert_eq!(facts.bridge.unwrap().name, "docker_gwbridge");
        let far = BTreeSet::from([Ipv4Addr::new(203, 0, 113, 5)]);
        assert_eq!(facts.addresses, far);
    });
}

/// A container: a namespace of its own, and a device there, which is told its address later.
struct Container {
    namespace: File,
    address: mpsc::Sender<(&'static str, [u8; 4])>,
    done: mpsc::Receiver<()>,
}

impl Container {
    fn new() -> Self {
        let (opened, namespace) = mpsc::channel();
        let (address, told) = mpsc::channel();
        let (done_with, done) = mpsc::channel();
        std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            opened
                .send(File::open("/proc/thread-self/ns/net").unwrap())
                .unwrap();
            // The namespace goes with the sender, as the test ends.
            while let Ok((device, address)) = told.recv() {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().unwrap();
                runtime.block_on(async {
                    let (connection, handle, _messages) = rtnetlink::new_connection().unwrap();
                    tokio::spawn(connection);
                    Net { handle }.address(device, address).await;
                });
                done_with.send(()).unwrap();
            }
        });
        Self {
            namespace: namespace.recv().unwrap(),
            address,
            done,
        }
    }

    fn address(&self, address: [u8; 4]) {
        self.address_on("eth0", address);
    }

    fn address_on(&self, device: &'static str, address: [u8; 4]) {
        self.address.send((device, address)).unwrap();
        self.done.recv().unwrap();
    }
}

/// Connects these containers to `docker_gwbridge`; returns the bridge's ports, in their order.
async fn connect(net: &Net, containers: &[Container; 2]) -> Vec<u32> {
    net.bridge("docker_gwbridge").await;
    let bridge = net.index("docker_gwbridge").await;
    let mut ports = Vec::new();
    for (name, container) in ["veth0", "veth1"].into_iter().zip(containers) {
        let add = net.handle.link().add(LinkVeth::new(name, "eth0").build());
        add.execute().await.unwrap();
        ports.push(net.index(name).await);
        for (name, change) in [
            (name, LinkUnspec::new_with_index(0).controller(bridge)),
            (
                "eth0",
                LinkUnspec::new_with_index(0).setns_by_fd(container.namespace.as_raw_fd()),
            ),
        ] {
            let mut change = change.build();
            change.header.index = net.index(name).await;
            net.handle.link().set(change).execute().await.unwrap();
        }
    }
    ports
}

#[test]
fn a_containers_addresses_are_read_behind_its_port_and_stay_what_they_were() {
    in_namespace("containers' addresses", async |net| {
        net.address("up0", [192, 0, 2, 5]).await;
        let containers = [Container::new(), Container::new()];
        let ports = connect(&net, &containers).await;
        let node = Some(Ipv4Addr::new(192, 0, 2, 5));
        let facts = read(node, &[], "docker_gwbridge").await.unwrap();
        assert_eq!(
            facts.bridge_ports.keys().copied().collect::<Vec<_>>(),
            ports,
            "{facts:?}"
        );
        let mut container_addresses = ContainerAddresses::default();
        let mut read = async || {
            let running = BTreeSet::new();
            let read = container_addresses.read(&facts.bridge_ports, &running);
            let found = read.await.unwrap();
            found
                .into_values()
                .map(|container| Vec::from_iter(container.addresses))
                .collect::<Vec<Vec<Ipv4Addr>>>()
        };
        let none: [Vec<Ipv4Addr>; 2] = [vec![], vec![]];
        assert_eq!(read().await, none, "none of them has an address");
        containers[0].address([172, 18, 0, 3]);
        let first = Ipv4Addr::new(172, 18, 0, 3);
        assert_eq!(read().await, [vec![first], vec![]]);
        // Whoever gives itself another address later is not believed.
        containers[0].address([172, 18, 0, 4]);
        containers[1].address([172, 18, 0, 4]);
        let second = Ipv4Addr::new(172, 18, 0, 4);
        assert_eq!(read().await, [vec![first], vec![second]]);
    });
}

#[test]
fn a_containers_networks_are_those_of_all_its_devices_once_its_task_runs() {
    in_namespace("containers' networks", async |net| {
        net.address("up0", [192, 0, 2, 5]).await;
        let containers = [Container::new(), Container::new()];
        let ports = connect(&net, &containers).await;
        let node = Some(Ipv4Addr::new(192, 0, 2, 5));
        let facts = read(node, &[], "docker_gwbridge").await.unwrap();
        let mut container_addresses = ContainerAddresses::default();
        let mut read = async |runs: &[Ipv4Addr]| {
            let runs = runs.iter().copied().collect();
            let read = container_addresses.read(&facts.bridge_ports, &runs);
            let mut found = read.await.unwrap();
            [ports[0], ports[1]].map(|port| {
                let networks = found.remove(&port).unwrap().networks;
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                networks
            })
        };
        let task = Ipv4Addr::new(172, 18, 0, 3);
        containers[0].address(task.octets());
        containers[1].address([172, 18, 0, 4]);
        let bridge = ["172.18.0.0/24"];
        assert_eq!(read(&[]).await, [bridge, bridge]);
        // Docker connects it to the next one; whatever device that is, the kernel routes to it.
        for container in &containers {
            container.address_on("lo", [10, 99, 7, 2]);
            container.address_on("lo", [127, 0, 0, 9]);
        }
        assert_eq!(read(&[]).await, [bridge, bridge], "not running");
        let both = vec!["10.99.7.0/24", "172.18.0.0/24"];
        assert_eq!(read(&[task]).await, [both.clone(), bridge.to_vec()]);
        // What the container does later has no effect.
        containers[0].address_on("lo", [10, 99, 8, 2]);
        assert_eq!(read(&[task]).await, [both, bridge.to_vec()]);
    });
}

#[test]
fn what_is_missing_is_said() {
    in_namespace("missing", async |_net| {
        let nowhere = read(Some(Ipv4Addr::new(10, 0, 0, 5)), &[], "docker_gwbridge").await;
        assert_eq!(
            nowhere.unwrap_err().to_string(),
            "no usable uplink: no device carries this node's address 10.0.0.5; \
             name one with --uplink (this host has far0, up0)"
        );
        let misnamed = read(None, &["eth7".to_owned()], "docker_gwbridge").await;
        assert_eq!(
            misnamed.unwrap_err().to_string(),
            "no device is called eth7: this host has far0, up0"
        );
    });
}

#[test]
fn changes_of_links_and_addresses_are_told_and_bursts_once() {
    in_namespace("changes", async |net| {
        let mut changes = changes().unwrap();
        quiet(&mut changes).await;
        net.address("up0", [192, 0, 2, 5]).await;
        soon(changes.next()).await;
        quiet(&mut changes).await;
        net.mtu("up0", 1300).await;
        soon(changes.next()).await;
        quiet(&mut changes).await;
        for n in 10..60 {
            net.address("up0", [192, 0, 2, n]).await;
        }
        let told = quiet(&mut changes).await;
        assert!((1..25).contains(&told), "50 changes were told {told} times");
    });
}
