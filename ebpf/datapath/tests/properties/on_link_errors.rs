//! ICMP errors about flows whose clients the task sees under an address of its node.

use lb_datapath::Verdict;
use lb_datapath::tunnel::OVERHEAD;
use proptest::prelude::*;

use crate::icmp::{ROUTER, error, quoted};
use crate::nodes::{FRONTEND, task};
use crate::on_link::{elsewhere, here, seen, task_sends, tc};
use crate::packets::{client, opening, tcp, udp};

/// Destination unreachable, time exceeded, parameter problem.
fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![Just(3u8), Just(11), Just(12)]
}

proptest! {
    #[test]
    fn an_error_about_an_answer_names_whom_the_task_answered(
        from in client(), request in opening(), answers in (tcp(Just(0x18)), udp()), kind in kind(), itself: bool,
    ) {
        let answer = if request.is_tcp() { answers.0 } else { answers.1 };
        let options = &request.ip_options;
        let sender = if itself { *from.ip() } else { ROUTER };
        let came = error(kind, (sender, *FRONTEND.ip()), options, &quoted(&answer, FRONTEND, from));
        let of = |known: std::net::SocketAddrV4| {
            // The client's own error would stay in the task's network, too, if it came from there.
            let sender = if itself { *known.ip() } else { ROUTER };
            error(kind, (sender, *task(0).ip()), options, &quoted(&answer, task(0), known))
        };
        let memory = here();
        let known = seen(&tc(&memory, &request.frame(from, FRONTEND)).1);
        prop_assert_eq!(tc(&memory, &came), (Verdict::Bridge, of(known)));

        let (ingress, home) = elsewhere();
        let (_, tunnelled) = tc(&ingress, &request.frame(from, FRONTEND));
        let known = seen(&tc(&home, &tunnelled).1);
        let (verdict, tunnelled) = tc(&ingress, &came);
        prop_assert_eq!((verdict, tunnelled.len()), (Verdict::Uplink, came.len() + OVERHEAD));
        prop_assert_eq!(tc(&home, &tunnelled), (Verdict::Bridge, of(known)));
    }

    #[test]
    fn an_error_of_a_task_reaches_the_client_about_what_it_sent(
        from in client(), request in opening(), kind in kind(),
    ) {
        let of = |by: std::net::SocketAddrV4, to: std::net::SocketAddrV4| {
            error(kind, (*by.ip(), *to.ip()), &request.ip_options, &quoted(&request, to, by))
        };
        let expected = of(FRONTEND, from);
        let memory = here();
        let known = seen(&tc(&memory, &request.frame(from, FRONTEND)).1);
        prop_assert_eq!(task_sends(&memory, &of(task(0), known)), (Verdict::Uplink, expected.clone()));

        let (ingress, home) = elsewhere();
        let (_, tunnelled) = tc(&ingress, &request.frame(from, FRONTEND));
        let known = seen(&tc(&home, &tunnelled).1);
        let (verdict, tunnelled) = task_sends(&home, &of(task(0), known));
        prop_assert_eq!((verdict, tunnelled.len()), (Verdict::Uplink, expected.len() + OVERHEAD));
        prop_assert_eq!(tc(&ingress, &tunnelled), (Verdict::Uplink, expected));
    }
}
