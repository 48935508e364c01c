//! The largest segment that both ends agree on fits the tunnel.

use crate::frames::{at, client, tcp};
use crate::lab::{lab, node};
use crate::pair::pairs;
use crate::read::read;
use crate::states::address_of;

/// 1500 less 56 for the tunnel, less 40 for IPv4 and TCP: 1404.
const LIMIT: [u8; 2] = [0x05, 0x7c];

#[test]
fn mss_is_lowered_on_both_handshake_packets_and_nowhere_else() {
    let [high, low] = LIMIT;
    let cases: [(&str, &[u8], &[u8]); 13] = [
        ("no options", &[], &[]),
        ("first", &[2, 4, 5, 0xb4], &[2, 4, high, low]),
        (
            "first, others behind",
            &[2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 0, 0, 0],
            &[2, 4, high, low, 4, 2, 3, 3, 7, 0, 0, 0],
        ),
        (
            "at an odd offset",
            &[1, 2, 4, 5, 0xb4, 1, 1, 1],
            &[1, 2, 4, high, low, 1, 1, 1],
        ),
        (
            "at an odd offset, behind window scale",
            &[3, 3, 7, 2, 4, 0xff, 0xff, 0],
            &[3, 3, 7, 2, 4, high, low, 0],
        ),
        (
            "last",
            &[4, 2, 1, 1, 2, 4, 0x23, 0],
            &[4, 2, 1, 1, 2, 4, high, low],
        ),
        (
            "behind timestamps",
            &[8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1, 2, 4, 5, 0xb4],
            &[8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1, 2, 4, high, low],
        ),
        ("just right", &[2, 4, high, low], &[2, 4, high, low]),
        ("smaller", &[2, 4, 2, 0x18], &[2, 4, 2, 0x18]),
        (
            "behind the end",
            &[0, 0, 0, 0, 2, 4, 5, 0xb4],
            &[0, 0, 0, 0, 2, 4, 5, 0xb4],
        ),
        ("of a wrong length", &[2, 3, 5, 0xb4], &[2, 3, 5, 0xb4]),
        (
            "an option of no length",
            &[5, 0, 1, 1, 2, 4, 5, 0xb4],
            &[5, 0, 1, 1, 2, 4, 5, 0xb4],
        ),
        ("cut off by the header's end", &[1, 1, 2, 4], &[1, 1, 2, 4]),
    ];
    let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
    lab(|lab| {
        pairs(lab, |mut pair| {
            for ((what, sent, expected), port) in cases.into_iter().zip(1000..) {
                let from = client(port);
                // What lies behind the options is no option.
                let payload = [5, 0xb4, 2, 4, 5, 0xb4];
                let syn = |to, options| {
                    tcp(from, to, "S")
                        .tcp_options(options)
                        .payload(&payload)
                        .frame()
                };
                let frame = pair.deliver(&syn(us, sent));
                assert_eq!(frame[14..], syn(task, expected)[14..], "SYN, {what}");
                let answer =
                    |from, options| tcp(from, client(port), "SA").tcp_options(options).frame();
                let frame = pair.reply(&answer(task, sent));
                assert_eq!(frame[14..], answer(us, expected)[14..], "SYN-ACK, {what}");
                let ack = tcp(from, us, "A").tcp_options(sent).frame();
                assert_eq!(read(&pair.deliver(&ack)).options, sent, "ACK, {what}");
            }
        });
    });
}
