//! Expressions of rules.

use super::*;

const SOURCE: Payload = Payload {
    layer: Layer::Network,
    offset: 12,
    length: 4,
};
const DESTINATION: Payload = Payload {
    layer: Layer::Network,
    offset: 16,
    length: 4,
};

fn transport(offset: u8, length: u8) -> Payload {
    let layer = Layer::Transport;
    Payload {
        layer,
        offset,
        length,
    }
}

fn is_sent_as(expressions: &[Expression], lines: &[&str]) {
    assert_eq!(expressions.len(), lines.len());
    for (step, line) in expressions.iter().zip(lines) {
        let rule = Rule {
            table: TABLE,
            chain: "raw",
            expressions: vec![step.clone()],
            comment: None,
        };
        // Table, chain, and the header of the list.
        let head = "0600010074000000".len() + "0800020072617700".len() + 8;
        assert_eq!(&body(&rule.message())[head..], *line, "{step:?}");
    }
}

const LOAD_TRANSPORT: &str =
    "24000180090001006d657461000000001400028008000200000000100800010000000001";
const IS_TCP: &str =
    "2c00018008000100636d700020000280080001000000000108000200000000000c0003800500010006000000";
const LOAD_SOURCE: &str = "340001800c0001007061796c6f6164002400028008000100000000010800020000000001080003000000000c0800040000000004";

/// `iifname "lo" counter drop`, `ip daddr set 10.0.0.1 notrack accept`
#[test]
fn devices_counters_verdicts_and_new_addresses_are_sent_as_nft_does() {
    let mut name = b"lo".to_vec();
    name.resize(16, 0);
    is_sent_as(
        &[
            Expression::Meta(Meta::InName, Register::W0),
            Expression::Compare(Register::W0, Comparison::Equal, name),
            Expression::Count,
            Expression::Verdict(Verdict::Drop),
            Expression::Immediate(Register::W0, vec![10, 0, 0, 1]),
            Expression::SetAddress(DESTINATION, Register::W0),
            Expression::NoTrack,
            Expression::Verdict(Verdict::Accept),
        ],
        &[
            "24000180090001006d657461000000001400028008000200000000060800010000000001",
            "3800018008000100636d70002c0002800800010000000001080002000000000018000380140001006c6f0000000000000000000000000000",
            "140001800c000100636f756e7465720004000280",
            "300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000000",
            "2c0001800e000100696d6d6564696174650000001800028008000100000000010c000280080001000a000001",
            "4c0001800c0001007061796c6f6164003c00028008000500000000010800020000000001080003000000001008000400000000040800060000000001080007000000000a0800080000000001",
            // Without the empty data at the end, there.
            "140001800c0001006e6f747261636b0004000280",
            "300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000001",
        ],
    );
}

/// `meta mark set ip saddr map @m`, `ip saddr != @s`, `update @d { ip saddr : ip daddr }`. The
/// ids of the sets, which `nft` sends beside their names, are left out.
#[test]
fn looks_into_sets_and_maps_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::Payload(SOURCE, Register::W0),
            Expression::Lookup(set("m"), Register::W0, Found::Value(Register::W0)),
            Expression::SetMeta(Meta::Mark, Register::W0),
            Expression::Lookup(set("s"), Register::W0, Found::Absent),
            Expression::Payload(DESTINATION, Register::W4),
            Expression::Update {
                set: set("d"),
                key: Register::W0,
                value: Some(Register::W4),
                time: None,
            },
        ],
        &[
            LOAD_SOURCE,
            "2c0001800b0001006c6f6f6b757000001c00028008000200000000010800030000000001060001006d000000",
            "24000180090001006d657461000000001400028008000200000000030800030000000001",
            "2c0001800b0001006c6f6f6b757000001c000280080002000000000106000100730000000800050000000001",
            "340001800c0001007061796c6f616400240002800800010000000002080002000000000108000300000000100800040000000004",
            "340001800b00010064796e7365740000240002800800040000000001080005000000000208000300000000010600010064000000",
        ],
    );
}

/// `tcp flags & (fin|syn|rst|ack) == syn tcp option maxseg size set 1424`,
/// `reject with tcp reset`
#[test]
fn flags_options_and_resets_of_tcp_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::Meta(Meta::Transport, Register::W0),
            Expression::Compare(Register::W0, Comparison::Equal, vec![6]),
            Expression::Payload(transport(13, 1), Register::W0),
            Expression::Mask(Register::W0, vec![0x17]),
            Expression::Compare(Register::W0, Comparison::Equal, vec![2]),
            Expression::Immediate(Register::W0, 1424_u16.to_be_bytes().to_vec()),
            Expression::SetMss(Register::W0),
            Expression::Reset,
        ],
        &[
            LOAD_TRANSPORT,
            IS_TCP,
            "340001800c0001007061796c6f6164002400028008000100000000010800020000000002080003000000000d0800040000000001",
            "4c0001800c00010062697477697365003c00028008000100000000010800020000000001080006000000000008000300000000010c00048005000100170000000c0005800500010000000000",
            "2c00018008000100636d700020000280080001000000000108000200000000000c0003800500010002000000",
            "2c0001800e000100696d6d6564696174650000001800028008000100000000010c0002800600010005900000",
            "3c0001800b00010065787468647200002c00028008000700000000010500020002000000080003000000000208000400000000020800060000000001",
            "240001800b00010072656a65637400001400028008000100000000010500020000000000",
        ],
    );
}

/// `update @callers { ip saddr timeout 130s }`, `tcp dport set`, `return`,
/// `jump j`.
#[test]
fn lifetimes_ports_and_jumps_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::Update {
                set: set("callers"),
                key: Register::W0,
                value: None,
                time: Some(Duration::from_secs(130)),
            },
            Expression::SetSummed(transport(2, 2), 16, Register::W0),
            Expression::Verdict(Verdict::Return),
            Expression::Verdict(Verdict::Jump("j")),
        ],
        &[
            // The id of the set, at the end there, is left out.
            "3c0001800b00010064796e73657400002c000280080004000000000108000300000000010c000600000000000001fbd00c00010063616c6c65727300",
            "440001800c0001007061796c6f61640034000280080005000000000108000200000000020800030000000002080004000000000208000600000000010800070000000010",
            "300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c00028008000100fffffffb",
            "380001800e000100696d6d656469617465000000240002800800010000000000180002801400028008000100fffffffd060002006a000000",
        ],
    );
}

/// `@th,72,16 set ip daddr map @m`: no checksum covers it.
#[test]
fn bytes_behind_headers_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::Payload(DESTINATION, Register::W0),
            Expression::Lookup(set("m"), Register::W0, Found::Value(Register::W0)),
            Expression::Set(transport(9, 2), Register::W0),
        ],
        &[
            "340001800c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800040000000004",
            "2c0001800b0001006c6f6f6b757000001c00028008000200000000010800030000000001060001006d000000",
            "340001800c0001007061796c6f616400240002800800050000000001080002000000000208000300000000090800040000000002",
        ],
    );
}

/// `fib daddr type local dup to ip daddr`, `snat to 240.1.0.0-240.1.255.255:61000-65535 persistent`
#[test]
fn routes_copies_and_nat_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::AddressType(Address::Destination, Register::W0),
            Expression::Compare(
                Register::W0,
                Comparison::Equal,
                2_u32.to_le_bytes().to_vec(),
            ),
            Expression::Payload(DESTINATION, Register::W0),
            Expression::Duplicate(Register::W0),
            Expression::SourceNat {
                addresses: (Register::W0, Register::W1),
                ports: (Register::W4, Register::W8),
            },
        ],
        &[
            "2800018008000100666962001c000280080003000000000208000200000000030800010000000001",
            "2c00018008000100636d700020000280080001000000000108000200000000000c0003800800010002000000",
            "340001800c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800040000000004",
            "1800018008000100647570000c0002800800010000000001",
            "48000180080001006e6174003c000280080001000000000008000200000000020800030000000001080004000000000908000500000000020800060000000003080007000000000a",
        ],
    );
}

/// `ct state`, `ct direction`, `meta pkttype set broadcast`
#[test]
fn what_connection_tracking_knows_and_packet_types_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::Track(Tracked::State, Register::W0),
            Expression::Track(Tracked::Direction, Register::W0),
            Expression::SetMeta(Meta::PacketType, Register::W0),
        ],
        &[
            "2000018007000100637400001400028008000200000000000800010000000001",
            "2000018007000100637400001400028008000200000000010800010000000001",
            "24000180090001006d657461000000001400028008000200000000130800030000000001",
        ],
    );
}
