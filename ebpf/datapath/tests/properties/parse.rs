//! For any bytes: nothing panics, and frames that are not for a published port leave as they came.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_abi::flow::Tuple;
use lb_abi::service::LOCAL;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::headers::Fragment;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::OVERHEAD;
use lb_datapath::uplink::uplink;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, pair, serving, task};
use crate::packets::{client, opening, tcp, udp};

/// Where the frame says which fragment of a packet it is: flags and the offset's upper bits.
const FRAGMENT: usize = 14 + 6;
/// More fragments follow (RFC 791, section 3.1).
const MORE: u8 = 0x20;

/// The 5-tuple as etherparse reads it; none for fragments, other protocols and contradictions.
fn tuple(frame: &[u8]) -> Option<Tuple> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        return None;
    };
    let (proto, source_port, destination_port) = match packet.transport? {
        TransportSlice::Tcp(tcp) => (TCP, tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (UDP, udp.source_port(), udp.destination_port()),
        _ => return None,
    };
    Some(Tuple {
        source: Be32::from_bytes(ip.header().source()),
        destination: Be32::from_bytes(ip.header().destination()),
        source_port: Be16::new(source_port),
        destination_port: Be16::new(destination_port),
        proto,
        zero: [0; 3],
    })
}

/// Sends the frame through all three hooks of a node.
fn everywhere(memory: &Memory, frame: &[u8]) -> Result<(), TestCaseError> {
    let mut xdp = Frame::<false>::new(frame.to_vec());
    if uplink(&mut xdp, memory) == Verdict::Pass && xdp.bytes != frame {
        // It was opened for a task that is here: exactly the tunnel is gone.
        let mut opened = frame.to_vec();
        opened.drain(14..14 + OVERHEAD);
        prop_assert_eq!(&xdp.bytes, &opened);
        prop_assert!(outer(&xdp, &Memory::default()).is_some());
    }
    let mut tc = Frame::<true>::new(frame.to_vec());
    if uplink(&mut tc, memory) == Verdict::Pass {
        prop_assert_eq!(&tc.bytes, frame);
    }
    let mut from_task = Frame::<true>::new(frame.to_vec());
    if bridge(&mut from_task, memory) == Verdict::Pass {
        prop_assert_eq!(&from_task.bytes, frame);
    }
    Ok(())
}

/// Good frames at the task's node: from a client, and through the tunnel.
fn good() -> impl Strategy<Value = Vec<u8>> {
    (client(), opening(), any::<bool>()).prop_map(|(from, body, tunnelled)| {
        let mut frame = Frame::<false>::new(body.frame(from, FRONTEND));
        if tunnelled {
            uplink(&mut frame, &pair().0);
        }
        frame.bytes
    })
}

/// A few bytes of a frame changed, and its end cut off or padded.
fn spoilt(frame: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    // Most changes go where headers are.
    let headers = vec((0usize..100, any::<u8>()), 0..3);
    (frame, changes, headers, -60i32..60).prop_map(|(mut frame, changes, headers, longer)| {
        for (at, to) in changes {
            let at = at.index(frame.len());
            frame[at] = to;
        }
        for (at, to) in headers {
            if let Some(byte) = frame.get_mut(at) {
                *byte = to;
            }
        }
        let length = frame.len().saturating_add_signed(longer as isize);
        frame.resize(length, 0xee);
        frame
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_pass_unchanged(frame in vec(any::<u8>(), 0..200)) {
        everywhere(&serving(HOME, LOCAL, 2), &frame)?;
    }

    #[test]
    fn spoilt_frames_pass_unchanged_or_are_understood(frame in spoilt(good())) {
        let memory = serving(HOME, LOCAL, 2);
        everywhere(&memory, &frame)?;
        // And again with the flows that the first made.
        everywhere(&memory, &frame)?;
    }

    #[test]
    fn replies_and_others_of_tasks_pass_or_are_rewritten(
        frame in spoilt((client(), udp()).prop_map(|(to, body)| body.frame(task(0), to))),
    ) {
        everywhere(&serving(HOME, LOCAL, 2), &frame)?;
    }

    #[test]
    fn segments_are_read_as_others_read_them(
        mut frame in spoilt(prop_oneof![
            (client(), tcp(any::<u8>())).prop_map(|(from, body)| body.frame(from, FRONTEND)),
            (client(), udp()).prop_map(|(from, body)| body.frame(from, FRONTEND)),
        ]),
        more in prop::bool::weighted(0.2),
    ) {
        if let Some(byte) = frame.get_mut(FRAGMENT).filter(|_| more) {
            *byte |= MORE;
        }
        let ipv4 = frame.get(12..14) == Some(&[0x08, 0x00]);
        let ours = outer(&Frame::<true>::new(frame.clone()), &Memory::default()).filter(|_| ipv4);
        if ours.is_some_and(|segment| segment.fragment == Fragment::First) {
            // A first fragment has the ports; the others read them where it says it is all.
            prop_assert_eq!(frame[FRAGMENT] & MORE, MORE);
            frame[FRAGMENT] ^= MORE;
        }
        let theirs = tuple(&frame);
        if let Some(theirs) = theirs {
            let ours = ours.map(|segment| segment.tuple);
            prop_assert_eq!(ours, Some(theirs));
        } else if let Some(segment) = ours {
            // The one thing that we leave to the receiver: UDP's own length field.
            prop_assert_eq!(segment.tuple.proto, UDP);
        }
    }
}
