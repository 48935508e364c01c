//! Helpers of the acceptance tests.

use std::process::{Child, Stdio};

use harness::agents::dist;
use harness::node::Node;

pub(crate) use harness::acceptance::{
    answered, assert_unharmed, during, everywhere, ids, load, served, settled, tally, task,
};

/// An agent that the host runs, as an init system would; killed when dropped.
pub(crate) struct HostAgent(Child);

impl HostAgent {
    pub(crate) fn start(node: &Node, options: &[&str]) -> Self {
        let swarmlb = dist("swarmlb").unwrap();
        let mut command = node.command(swarmlb.to_str().unwrap()).unwrap();
        command.arg("run").args(options);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for HostAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
