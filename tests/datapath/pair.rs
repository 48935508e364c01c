//! Two nodes: clients come to node 1, the tasks are on node 2.

use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::hooks::wired;
use crate::lab::{Lab, node};
use crate::states::{here, publish, there};
use crate::world::{BridgeTc, UplinkTc, World};

/// Both nodes, and whether their uplinks can do XDP.
pub(crate) struct Pair {
    /// Where clients come in.
    pub(crate) ingress: World,
    /// Where task 1 is.
    pub(crate) home: World,
    xdp: bool,
}

/// Does a test with uplinks that do XDP, and with ones that leave it to tc.
pub(crate) fn pairs(lab: &Lab, test: impl Fn(Pair)) {
    test(Pair::new(lab, true));
    test(Pair::new(lab, false));
}

impl Pair {
    /// 8080/tcp and 5353/udp, task 1 behind both.
    pub(crate) fn new(lab: &Lab, xdp: bool) -> Self {
        let mut pair = Self {
            ingress: World::new(lab, 1),
            home: World::new(lab, 2),
            xdp,
        };
        for (world, task) in [
            (&mut pair.ingress, there(1, node(2))),
            (&mut pair.home, here(1)),
        ] {
            world.change(|state| {
                publish(state, TCP, 8080, 80, &[task]);
                publish(state, UDP, 5353, 53, &[task]);
            });
        }
        pair
    }

    /// A client's frame at the ingress node, out of its uplink: as node 2 receives it.
    #[track_caller]
    pub(crate) fn enter(&mut self, frame: &[u8]) -> Vec<u8> {
        let (verdict, frame) = receive(&mut self.ingress, self.xdp, frame);
        assert_eq!(verdict, Verdict::Uplink);
        wired(frame, 2)
    }

    /// A client's frame all the way to the task's bridge.
    #[track_caller]
    pub(crate) fn deliver(&mut self, frame: &[u8]) -> Vec<u8> {
        let tunnelled = self.enter(frame);
        self.arrive(&tunnelled)
    }

    /// A frame out of the tunnel, on to the task's bridge.
    #[track_caller]
    pub(crate) fn arrive(&mut self, tunnelled: &[u8]) -> Vec<u8> {
        let (verdict, frame) = receive(&mut self.home, self.xdp, tunnelled);
        assert_eq!(verdict, Verdict::Bridge);
        frame
    }

    /// A task's frame out of its node's uplink: as node 1 receives it.
    #[track_caller]
    pub(crate) fn leave(&mut self, frame: &[u8]) -> Vec<u8> {
        let (verdict, frame) = self.home.send(BridgeTc, frame);
        assert_eq!(verdict, Verdict::Uplink);
        wired(frame, 1)
    }

    /// A task's frame all the way to the wire towards the client.
    #[track_caller]
    pub(crate) fn reply(&mut self, frame: &[u8]) -> Vec<u8> {
        let tunnelled = self.leave(frame);
        let (verdict, frame) = receive(&mut self.ingress, self.xdp, &tunnelled);
        assert_eq!(verdict, Verdict::Uplink);
        frame
    }
}

#[track_caller]
fn receive(world: &mut World, xdp: bool, frame: &[u8]) -> (Verdict, Vec<u8>) {
    if xdp {
        world.receive(frame)
    } else {
        world.send(UplinkTc, frame)
    }
}
