//! The laboratory's cables carry what a driver's XDP program sends.

use std::net::UdpSocket;
use std::time::Duration;

use harness::shared;
use harness::topology::{CLIENT, Topology, node_addr};
use harness::xdp::{self, Insn, insn};

const ECHO_PORT: u16 = 7;

const WORD: u8 = 0x61;
const HALF: u8 = 0x69;
const BYTE: u8 = 0x71;

/// Nothing listens on the node: what comes back was turned round by its driver.
#[test]
fn what_a_node_sends_by_native_xdp_tx_reaches_the_client() {
    if !shared::is_root() {
        return;
    }
    let net = Topology::up(&format!("lbnettx{}", std::process::id()), 1, 1500).unwrap();
    xdp::attach(&net.nodes[0], "eth0", &reflect_udp_echo()).unwrap();
    let socket = net
        .client
        .run(|| UdpSocket::bind((CLIENT, 0)))
        .unwrap()
        .unwrap();
    socket.connect((node_addr(1), ECHO_PORT)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let sent = [b'x'; 1000];
    socket.send(&sent).unwrap();
    let mut received = [0; 2000];
    let len = socket.recv(&mut received).unwrap();
    assert_eq!(&received[..len], &sent);
}

/// Swaps the ends of UDP datagrams to port 7 and sends them back; passes the rest.
/// Swapping addresses and ports leaves every checksum valid.
fn reflect_udp_echo() -> Vec<Insn> {
    let load = |size, dst, src, offset| insn(size, dst, src, offset, 0);
    // The opcode of a store is that of the load plus two.
    let store = |size: u8, dst, offset, src| insn(size + 2, dst, src, offset, 0);
    let network_order = |value: u16| i32::from(u16::from_ne_bytes(value.to_be_bytes()));
    let swap = |size, a, b| {
        [
            load(size, 4, 2, a),
            load(size, 5, 2, b),
            store(size, 2, a, 5),
            store(size, 2, b, 4),
        ]
    };
    // Jumps to the last two instructions; how far they are is filled in below.
    let unless_equal = |value| insn(0x55, 5, 0, 0, value);
    let mut program = vec![
        load(WORD, 2, 1, 0), // r2: first byte of the frame
        load(WORD, 3, 1, 4), // r3: its end
        insn(0xbf, 4, 2, 0, 0),
        insn(0x07, 4, 0, 0, 14 + 20 + 8),
        insn(0x2d, 4, 3, 0, 0), // shorter than the three headers
        load(HALF, 5, 2, 12),
        unless_equal(network_order(0x0800)),
        load(BYTE, 5, 2, 14),
        unless_equal(0x45),
        load(BYTE, 5, 2, 23),
        unless_equal(17),
        load(HALF, 5, 2, 36),
        unless_equal(network_order(ECHO_PORT)),
    ];
    // Hardware addresses in three pieces, then addresses, then ports.
    for (size, a, b) in [
        (HALF, 0, 6),
        (HALF, 2, 8),
        (HALF, 4, 10),
        (WORD, 26, 30),
        (HALF, 34, 36),
    ] {
        program.extend(swap(size, a, b));
    }
    program.extend([insn(0xb7, 0, 0, 0, 3), insn(0x95, 0, 0, 0, 0)]); // XDP_TX
    let pass = program.len();
    for (index, instruction) in program.iter_mut().enumerate() {
        if matches!(instruction[0], 0x2d | 0x55) {
            let distance = i16::try_from(pass - index - 1).unwrap();
            instruction[2..4].copy_from_slice(&distance.to_le_bytes());
        }
    }
    program.extend(xdp::PASS);
    program
}
