//! The frame that a client would send: a SYN, or an empty datagram.

use lb_datapath::checksum;
use lb_datapath::l4_packet::flags::SYN;
use std::net::SocketAddrV4;

/// Any sender on the wire: nothing depends on it.
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A packet from `client` to `frontend` over IP protocol `proto`, sent to `mac`.
pub(super) fn frame(
    mac: [u8; 6],
    client: SocketAddrV4,
    frontend: SocketAddrV4,
    proto: u8,
) -> Vec<u8> {
    let addresses = [client.ip().octets(), frontend.ip().octets()].concat();
    let ports = [client.port().to_be_bytes(), frontend.port().to_be_bytes()].concat();
    let transport = |sum: u16| {
        if proto == lb_abi::UDP {
            [&ports[..], &[0, 8], &sum.to_be_bytes()].concat()
        } else {
            // Sequence number 1, no acknowledgement; 5 words of header; a window.
            let fixed = [0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, SYN, 0xfa, 0xf0];
            [&ports[..], &fixed, &sum.to_be_bytes(), &[0, 0]].concat()
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "8 or 20 bytes")]
    let length = transport(0).len() as u8;
    let pseudo = [&addresses[..], &[0, proto, 0, length], &transport(0)].concat();
    let ip = |sum: u16| {
        // No options, don't fragment, 64 hops.
        let fixed = [0x45, 0, 0, 20 + length, 0, 0, 0x40, 0, 64, proto];
        [&fixed[..], &sum.to_be_bytes(), &addresses].concat()
    };
    [
        &mac[..],
        &SENDER,
        &[8, 0],
        &ip(checksum::full(&ip(0))),
        &transport(checksum::full(&pseudo)),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_abi::settings::Settings;
    use lb_abi::{TCP, UDP};
    use lb_datapath::model::{Frame, Memory};
    use lb_datapath::parse;
    use zerocopy::FromZeros as _;

    #[test]
    fn it_is_what_a_client_sends_with_right_checksums() {
        let [client, frontend] =
            ["203.0.113.7:40000", "192.0.2.1:8080"].map(|at| at.parse::<SocketAddrV4>().unwrap());
        for (proto, length) in [(TCP, 20_u8), (UDP, 8)] {
            let bytes = frame([9; 6], client, frontend, proto);
            let mut frame = Frame::<true>::new(bytes.clone());
            let tables = Memory::default();
            let mut settings = Settings::new_zeroed();
            settings.mac = [9; 6];
            assert!(parse::ours(&mut frame, &tables, &settings));
            let segment = parse::outer(&frame, &tables).unwrap();
            assert_eq!(segment.opens(), proto == TCP);
            let tuple = segment.tuple;
            assert_eq!(u32::from(*client.ip()), tuple.source.get());
            assert_eq!(u32::from(*frontend.ip()), tuple.destination.get());
            assert_eq!(
                (tuple.source_port.get(), tuple.destination_port.get()),
                (40_000, 8080)
            );
            // A sum over what includes its own checksum is zero.
            assert_eq!(checksum::full(&bytes[14..34]), 0);
            let pseudo = [&bytes[26..34], &[0, proto, 0, length], &bytes[34..]].concat();
            assert_eq!(checksum::full(&pseudo), 0);
        }
    }
}
