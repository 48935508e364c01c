//! Hosts next to the one that is tested: in namespaces of their own, behind a pair of devices.

use crate::namespace::run;
use nix::sched::{CloneFlags, unshare};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A neighbour on the device `here`, with addresses, in a namespace that lives as long as `work`.
pub(crate) fn neighbour<T: Send + 'static>(
    here: &'static str,
    addresses: &'static [&'static str],
    gateway: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let (tell, told): (Sender<nix::unistd::Pid>, Receiver<_>) = channel();
    let (go, gone): (Sender<()>, Receiver<()>) = channel();
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        tell.send(nix::unistd::gettid()).unwrap();
        gone.recv().unwrap();
        for device in ["lo", "far"] {
            run("ip", &["link", "set", device, "up"]);
        }
        for address in addresses {
            run("ip", &["address", "add", address, "dev", "far"]);
        }
        run("ip", &["route", "add", "default", "via", gateway]);
        work()
    });
    let id = told.recv().unwrap().to_string();
    let pair = ["link", "add", here, "type", "veth", "peer", "name", "far"];
    run("ip", &[&pair[..], &["netns", &id]].concat());
    run("ip", &["link", "set", here, "up"]);
    let gateway = format!("{gateway}/24");
    run("ip", &["address", "add", &gateway, "dev", here]);
    go.send(()).unwrap();
    thread
}

pub(crate) fn index(device: &str) -> u32 {
    let line = run("ip", &["-o", "link", "show", "dev", device]);
    line.split(':').next().unwrap().parse().unwrap()
}
