//! The clamp, on options of any kind.

use etherparse::{SlicedPacket, TcpOptionElement, TransportSlice};
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::model::Frame;
use lb_datapath::uplink::uplink;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, pair, serving, task};
use crate::packets::{Body, Transport, client, tcp};

/// 1500 bytes of MTU, less 56, less 40.
const LIMIT: u16 = 1404;

/// Options as stacks send them, in any order, filled up with no-operations.
fn sensible() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        any::<u16>().prop_map(|size| [&[2, 4][..], &size.to_be_bytes()].concat()),
        Just(vec![1]),
        Just(vec![3, 3, 7]),
        Just(vec![4, 2]),
        any::<[u8; 8]>().prop_map(|stamps| [&[8, 10][..], &stamps].concat()),
    ];
    vec(one, 0..5).prop_map(|options| {
        let mut bytes = options.concat();
        bytes.truncate(40);
        bytes.resize(bytes.len().next_multiple_of(4), 1);
        bytes
    })
}

/// Where the first MSS option's value is, as etherparse finds it.
fn value_at(frame: &[u8]) -> Option<usize> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return None;
    };
    let mut options = tcp.options_iterator();
    let mut seen = 0;
    loop {
        let rest = options.rest().len();
        let option = options.next()?.ok()?;
        // No-operations in front count as options of their own.
        seen += 1;
        if let TcpOptionElement::MaximumSegmentSize(_) = option {
            return (seen <= 6).then(|| tcp.options().len() - rest + 2);
        }
    }
}

fn clamped(body: &Body, from: std::net::SocketAddrV4) -> Vec<u8> {
    let (ingress, home) = pair();
    let mut frame = Frame::<true>::new(body.frame(from, FRONTEND));
    assert_eq!(uplink(&mut frame, &ingress), Verdict::Uplink);
    assert_eq!(uplink(&mut frame, &home), Verdict::Bridge);
    frame.bytes
}

proptest! {
    #[test]
    fn the_first_mss_and_nothing_else_is_lowered(
        from in client(), mut body in tcp(Just(0x02)), options in sensible(),
    ) {
        let Transport::Tcp(_, own, _) = &mut body.transport else { unreachable!() };
        own.clone_from(&options);
        let expected = match value_at(&body.frame(from, FRONTEND)) {
            None => body.clone(),
            Some(at) => {
                let size = u16::from_be_bytes([options[at], options[at + 1]]).min(LIMIT);
                let mut lowered = body.clone();
                let Transport::Tcp(_, own, _) = &mut lowered.transport else { unreachable!() };
                own[at..at + 2].copy_from_slice(&size.to_be_bytes());
                lowered
            }
        };
        prop_assert_eq!(clamped(&body, from), expected.frame(from, task(0)));
    }

    #[test]
    fn whatever_the_options_the_packet_stays_whole(from in client(), body in tcp(Just(0x02))) {
        let frame = clamped(&body, from);
        prop_assert_eq!(frame.len(), body.frame(from, task(0)).len());
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { unreachable!() };
        let destination = task(0).ip().octets();
        let right = tcp.calc_checksum_ipv4(from.ip().octets(), destination).unwrap();
        prop_assert_eq!(tcp.checksum(), right);
        prop_assert_eq!(tcp.payload(), &body.payload);
    }

    #[test]
    fn a_client_of_the_tasks_own_node_is_not_clamped(from in client(), body in tcp(Just(0x02))) {
        let local = std::net::SocketAddrV4::new(HOME, FRONTEND.port());
        let mut frame = Frame::<true>::new(body.frame(from, local));
        prop_assert_eq!(uplink(&mut frame, &serving(HOME, LOCAL, 1)), Verdict::Bridge);
        prop_assert_eq!(frame.bytes, body.frame(from, task(0)));
    }
}
