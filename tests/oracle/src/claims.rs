//! Assertions about one frame at one hook, for any tables.

mod egress;
mod flows;

use crate::hook::Hook;
use crate::names::{MAC, PUBLISHED, TUNNEL as TUNNEL_PORT, UPLINK};
use crate::sums::{self, ETHERNET, ICMP, TCP, TUNNEL, UDP, constant, right, sum};
use lb_abi::flow::Tuple;
use lb_abi::service::{LOCAL, Port, REMOTE};
use lb_abi::{Be16, Be32};
use lb_datapath::model::{Frame, Memory};
use lb_datapath::tunnel::{Direction, Opened, Read, addressed, open};
use lb_datapath::verdict::Outcome;
use lb_datapath::{Tables as _, Verdict, parse};

/// A frame that was at a hook.
pub(crate) struct Event<'a> {
    pub(crate) hook: Hook,
    pub(crate) was: &'a Memory,
    pub(crate) is: &'a Memory,
    pub(crate) before: &'a [u8],
    pub(crate) after: &'a [u8],
    pub(crate) verdict: Verdict,
}

/// The frame without what the tunnel put around its packet.
pub(crate) fn inside(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.drain(ETHERNET..ETHERNET + TUNNEL);
    frame
}

impl Event<'_> {
    pub(crate) fn check(&self) {
        let same = self.before == self.after;
        if self.stranger() {
            assert_eq!(self.verdict, Verdict::Pass, "not ours");
            assert!(same, "not ours, and changed");
            assert!(self.was == self.is, "not ours, and left a trace");
            return;
        }
        match self.verdict.outcome() {
            Outcome::Pass if same => {}
            Outcome::Pass if self.hook == Hook::Egress => self.entered(),
            Outcome::Pass => {
                assert_ne!(self.hook, Hook::Bridge, "passed, but changed");
                assert!(self.tunnelled().is_some(), "passed, but changed");
                assert_eq!(self.after, inside(self.before), "more than opened");
            }
            Outcome::Drop(_) => {}
            // It is answered after the decision.
            Outcome::TooBig(_) => assert!(same, "too big, and changed"),
            Outcome::Uplink => self.out(),
            Outcome::Bridge | Outcome::Container(_) => self.delivered(),
        }
        self.flows();
        self.own_flows();
    }

    /// The tunnel header's content, if the frame came through the tunnel on an uplink.
    fn tunnelled(&self) -> Option<Opened> {
        let settings = self.was.settings?;
        let mut frame = Frame::<true>::new(self.before.to_vec());
        frame.link = UPLINK;
        if !matches!(self.hook, Hook::Xdp | Hook::Tc)
            || !parse::ours(&mut frame, self.was, &settings)
        {
            return None;
        }
        let segment = parse::outer(&frame, self.was)?;
        let keys = self.was.peer(segment.tuple.source)?;
        match open(&frame, keys) {
            Read::Opened(opened) if addressed(&segment, &settings) => Some(opened),
            _ => None,
        }
    }

    /// Asserts about a frame that goes out of the uplink.
    fn out(&self) {
        assert_ne!(self.hook, Hook::Egress, "it is on its way out already");
        let (before, after) = (self.before.len(), self.after.len());
        if after == before + TUNNEL {
            assert!(self.tunnelled().is_none(), "one hop only");
            self.entered();
        } else if after + TUNNEL == before {
            let opened = self.tunnelled();
            let opened = opened.unwrap_or_else(|| panic!("nothing to open"));
            assert_eq!(opened.direction, Direction::ToClient);
            assert_eq!(self.after, inside(self.before), "more than opened");
            if let Some(tuple) = tuple(self.after) {
                let flow = self.is.peek(&tuple.reversed());
                let flow = flow.unwrap_or_else(|| panic!("an answer to nothing"));
                assert_eq!((flow.task, flow.came_here()), (opened.task, true));
            }
        } else {
            assert_eq!(self.hook, Hook::Bridge, "sent back");
            self.rewritten(self.before, self.after);
        }
    }

    /// Into the tunnel.
    fn entered(&self) {
        assert_eq!(self.after.len(), self.before.len() + TUNNEL, "length");
        let outer = right(self.after, ETHERNET);
        assert!(outer.is_some_and(|right| right.header), "outer header");
        let inner = inside(self.after);
        match self.hook {
            Hook::Xdp | Hook::Tc => assert_eq!(inner, self.before, "unchanged inside"),
            Hook::Bridge | Hook::Egress => self.rewritten(self.before, &inner),
        }
        let read = open(
            &Frame::<true>::new(self.after.to_vec()),
            &self.was.token_keys,
        );
        let Read::Opened(opened) = read else {
            panic!("what was put in can't be read: {read:?}");
        };
        let own = self.was.settings.map(|settings| settings.node);
        assert_eq!(Some(opened.sender), own);
        let to = Be32::from_bytes([30, 31, 32, 33].map(|at| self.after[at]));
        if matches!(opened.direction, Direction::ToTask | Direction::ToOwn) {
            let backend = self.was.backends.get(&opened.task);
            let at = backend.map(|backend| (backend.locality, backend.address));
            assert_eq!(at, Some((REMOTE, to)), "to where the task is not");
        } else {
            assert_eq!(self.hook, Hook::Bridge, "answers come from tasks");
            let replies = self.was.replies.borrow();
            let known = replies
                .values()
                .any(|reply| reply.peer == to && reply.task == opened.task);
            assert!(known, "an answer to nobody");
        }
    }

    /// To somebody on a bridge of this node.
    fn delivered(&self) {
        assert!(matches!(self.hook, Hook::Tc | Hook::Bridge));
        match self.tunnelled() {
            Some(_) => self.rewritten(&inside(self.before), self.after),
            None => self.rewritten(self.before, self.after),
        }
        let to = Be32::from_bytes([30, 31, 32, 33].map(|at| self.after[at]));
        let callers = self.is.callers.borrow();
        let mut backends = self.was.backends.values();
        let task = backends.any(|task| task.locality == LOCAL && task.address == to);
        let caller = callers.values().any(|caller| caller.address == to);
        assert!(task || caller, "delivered to a stranger, {to:?}");
        if task
            && !caller
            && let Some(tuple) = tuple(self.after)
        {
            let reply = self.is.rev_nat(&tuple.reversed());
            let reply = reply.unwrap_or_else(|| panic!("no way back"));
            let backend = self.was.backends.get(&reply.task);
            assert_eq!(
                backend.map(|task| task.address),
                Some(to),
                "another's reply"
            );
        }
    }

    /// Addresses, ports, checksums and nothing else; and sums that were right are right.
    fn rewritten(&self, before: &[u8], after: &[u8]) {
        assert_eq!(before.len(), after.len(), "length");
        assert_eq!(before[..ETHERNET], after[..ETHERNET]);
        if sums::packet(before, ETHERNET).is_some_and(|packet| packet.fragment) {
            return self.fragment(before, after);
        }
        let rest = |frame| constant(frame, ETHERNET);
        assert_eq!(rest(before), rest(after), "more than addressed anew");
        let (Some(was), Some(is)) = (right(before, ETHERNET), right(after, ETHERNET)) else {
            panic!("rewritten, but no packet");
        };
        assert!(is.header || !was.header, "header checksum");
        assert!(is.payload || !was.payload, "transport checksum");
        assert_eq!(was.none, is.none, "UDP without a checksum");
    }

    /// Asserts about a fragment: its header's sum is right if it was, and what it belongs with stays.
    #[expect(clippy::unused_self, reason = "reads as the others do")]
    fn fragment(&self, before: &[u8], after: &[u8]) {
        let header = |frame| sums::packet(frame, ETHERNET).map(|packet| packet.header.to_vec());
        let (Some(was), Some(is)) = (header(before), header(after)) else {
            panic!("rewritten, but no packet");
        };
        assert_eq!(was[..10], is[..10], "length, number, place, protocol");
        if sum(&[&was]) == 0xffff {
            assert_eq!(sum(&[&is]), 0xffff, "header checksum");
        }
    }

    /// Is the frame, at first sight, none of the datapath's?
    fn stranger(&self) -> bool {
        if self.was.settings.is_none() {
            return true;
        }
        let uplink = matches!(self.hook, Hook::Xdp | Hook::Tc);
        if self.before.get(12..14) != Some(&[8, 0])
            || (uplink && self.before.get(..6) != Some(&MAC))
        {
            return true;
        }
        let Some(packet) = sums::packet(self.before, ETHERNET) else {
            return true;
        };
        if packet.fragment {
            // It may belong with one that was ours.
            return false;
        }
        match packet.proto {
            ICMP => matches!(self.hook, Hook::Xdp | Hook::Egress),
            TCP | UDP => tuple(self.before).is_none_or(|tuple| self.strange(&tuple)),
            _ => true,
        }
    }

    fn strange(&self, tuple: &Tuple) -> bool {
        let number = tuple.destination_port.get();
        let published = PUBLISHED.contains(&number)
            && self
                .was
                .frontends
                .contains_key(&Port::new(tuple.destination_port, tuple.proto));
        let own = self.was.is_vip(tuple.destination);
        match self.hook {
            Hook::Xdp | Hook::Tc => {
                let from_node = self.was.peer(tuple.source).is_some();
                let ours = number == TUNNEL_PORT && own && from_node;
                !(published || (tuple.proto == UDP && ours))
            }
            Hook::Bridge => self.was.rev_nat(tuple).is_none() && !(published && own),
            Hook::Egress if tuple.proto == UDP && number == TUNNEL_PORT => {
                self.was.peer(tuple.destination).is_none()
            }
            Hook::Egress => self.strange_to_egress(tuple, published),
        }
    }
}

/// Is it a SYN, which opens a connection?
pub(crate) fn opens(frame: &[u8]) -> bool {
    sums::packet(frame, ETHERNET).is_some_and(|packet| {
        // FIN, SYN, RST, ACK (RFC 9293, section 3.1).
        let flags = packet.payload.get(13).map(|flags| flags & 0x17);
        packet.proto == TCP && !packet.fragment && flags == Some(0x02)
    })
}

/// The ends of a TCP or UDP packet that is whole.
pub(crate) fn tuple(frame: &[u8]) -> Option<Tuple> {
    let packet = sums::packet(frame, ETHERNET)?;
    let (ip, payload) = (packet.header, packet.payload);
    let least = if packet.proto == TCP { 20 } else { 8 };
    if packet.fragment || !matches!(packet.proto, TCP | UDP) || payload.len() < least {
        return None;
    }
    let port = |at: usize| Be16::new(u16::from_be_bytes([payload[at], payload[at + 1]]));
    Some(Tuple {
        source: Be32::from_bytes([12, 13, 14, 15].map(|at| ip[at])),
        destination: Be32::from_bytes([16, 17, 18, 19].map(|at| ip[at])),
        source_port: port(0),
        destination_port: port(2),
        proto: packet.proto,
        zero: [0; 3],
    })
}
