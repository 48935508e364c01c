//! The whole way of any packet: what goes in comes out, addressed anew and otherwise
//! as it was. The frames to compare with are written anew by etherparse.

use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::tunnel::OVERHEAD;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, pair, serving, task};
use crate::packets::{client, opening, tcp, udp};

fn xdp(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<false>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

fn tc(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

fn task_sends(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (bridge(&mut frame, memory), frame.bytes)
}

proptest! {
    #[test]
    fn a_local_task_gets_any_packet_and_the_client_any_answer(
        from in client(), request in opening(),
        answer in prop_oneof![tcp(any::<u8>()), udp()],
    ) {
        let memory = serving(INGRESS, LOCAL, 1);
        let sent = request.frame(from, FRONTEND);
        prop_assert_eq!(xdp(&memory, &sent), (Verdict::Pass, sent.clone()));
        prop_assert_eq!(tc(&memory, &sent), (Verdict::Bridge, request.frame(from, task(0))));
        let sent = answer.frame(task(0), from);
        let expected = if answer.is_tcp() == request.is_tcp() {
            (Verdict::Uplink, answer.frame(FRONTEND, from))
        } else {
            (Verdict::Pass, sent.clone())
        };
        prop_assert_eq!(task_sends(&memory, &sent), expected);
    }

    #[test]
    fn out_of_the_tunnel_comes_what_went_in(from in client(), request in opening()) {
        let (ingress, home) = pair();
        let sent = request.frame(from, FRONTEND);
        let (verdict, tunnelled) = xdp(&ingress, &sent);
        prop_assert_eq!(verdict, Verdict::Uplink);
        prop_assert_eq!(tunnelled.len(), sent.len() + OVERHEAD);
        prop_assert_eq!(&tc(&ingress, &sent), &(Verdict::Uplink, tunnelled.clone()));
        prop_assert_eq!(xdp(&home, &tunnelled), (Verdict::Pass, sent));
    }

    #[test]
    fn a_task_elsewhere_gets_any_packet_and_the_client_any_answer(
        from in client(), request in opening(), answers in (tcp(Just(0x18)), udp()),
    ) {
        let (ingress, home) = pair();
        let (_, tunnelled) = xdp(&ingress, &request.frame(from, FRONTEND));
        let (verdict, delivered) = tc(&home, &tunnelled);
        prop_assert_eq!(verdict, Verdict::Bridge);
        // A SYN's options may have changed: see the properties of the clamp.
        if !request.is_tcp() {
            prop_assert_eq!(delivered, request.frame(from, task(0)));
        }
        let answer = if request.is_tcp() { answers.0 } else { answers.1 };
        let (verdict, tunnelled) = task_sends(&home, &answer.frame(task(0), from));
        prop_assert_eq!(verdict, Verdict::Uplink);
        let expected = (Verdict::Uplink, answer.frame(FRONTEND, from));
        prop_assert_eq!(&xdp(&ingress, &tunnelled), &expected);
        prop_assert_eq!(&tc(&ingress, &tunnelled), &expected);
    }
}
