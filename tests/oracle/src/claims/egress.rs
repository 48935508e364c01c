//! Assertions about what leaves a node, and about the answers to what it begins itself.

use super::{Event, opens, tuple};
use crate::hook::Hook;
use lb_abi::flow::Tuple;
use lb_abi::service::Port;
use lb_abi::{TCP, UDP};
use lb_datapath::Tables as _;
use lb_datapath::own_flows::awaited;
use lb_datapath::schedule::takes_over;

impl Event<'_> {
    /// Does nothing happen to what leaves with these ends? `published`: another node may answer it as its service's.
    pub(super) fn strange_to_egress(&self, tuple: &Tuple, published: bool) -> bool {
        let called = (published || tuple.proto == TCP)
            && self.was.peer(tuple.destination).is_some()
            && self.was.is_vip(tuple.source);
        !called && !self.begun_here(tuple)
    }

    /// Is it from a published port of the node, and may be what the node remembers: a datagram, or TCP where the port's
    /// tasks are found by hash?
    fn begun_here(&self, tuple: &Tuple) -> bool {
        let port = Port::new(tuple.source_port, tuple.proto);
        let remembers =
            |frontend| tuple.proto == UDP || takes_over(self.was, &frontend, tuple.source_port);
        self.was.frontend(&port).is_some_and(remembers)
            && self.was.is_vip(tuple.source)
            && !self.was.expired
    }

    /// Asserts about answers that are the node's own: it has sent what they answer, to who was no client then. And what
    /// bears their ends makes no flow.
    pub(super) fn own_flows(&self) {
        let (was, is) = (self.was.own_flows.borrow(), self.is.own_flows.borrow());
        for (answer, sent) in is.iter() {
            if was.get(answer) == Some(sent) {
                continue;
            }
            assert_eq!((self.hook, *sent), (Hook::Egress, self.was.now));
            assert!(self.begun_here(&answer.reversed()), "an answer to what?");
            assert!(self.is.peek(answer).is_none(), "it is a client's");
        }
        let arrives = matches!(self.hook, Hook::Xdp | Hook::Tc);
        let Some(tuple) = tuple(self.before).filter(|_| arrives) else {
            return;
        };
        let awaited = was
            .get(&tuple)
            .is_some_and(|sent| awaited(tuple.proto, *sent, self.was.now));
        if awaited && !opens(self.before) && self.was.peek(&tuple).is_none() {
            assert!(self.is.peek(&tuple).is_none(), "an answer became a flow");
        }
    }
}
