//! Messages against what `nft` 1.0.6 sends for the same (`strace -e sendmsg -xx nft -f …`).

use super::batch::encode as batch;
use super::uapi::*;
use super::*;
use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader, NetlinkSerializable as _};
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::time::Duration;

const TABLE: TableName = TableName {
    family: Family::Ip,
    name: "t",
};

const fn set(name: &'static str) -> SetName {
    SetName { table: TABLE, name }
}

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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message without its header of 4 bytes.
fn body(message: &Message) -> String {
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    hex(&bytes[4..])
}

fn is_sent_as(steps: &[Expression], lines: &[&str]) {
    assert_eq!(steps.len(), lines.len());
    for (step, line) in steps.iter().zip(lines) {
        let rule = Rule {
            table: TABLE,
            chain: "raw",
            steps: vec![step.clone()],
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
            Expression::SetPort(transport(2, 2), 16, Register::W0),
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

/// `fib daddr type local dup to ip daddr`, `snat to 240.0.0.2:61000-65535`
#[test]
fn routes_copies_and_nat_are_sent_as_nft_does() {
    is_sent_as(
        &[
            Expression::DestinationType(Register::W0),
            Expression::Compare(
                Register::W0,
                Comparison::Equal,
                2_u32.to_le_bytes().to_vec(),
            ),
            Expression::Payload(DESTINATION, Register::W0),
            Expression::Duplicate(Register::W0),
            Expression::Nat(
                Nat::Source,
                Register::W0,
                Some((Register::W4, Register::W8)),
            ),
        ],
        &[
            "2800018008000100666962001c000280080003000000000208000200000000030800010000000001",
            "2c00018008000100636d700020000280080001000000000108000200000000000c0003800800010002000000",
            "340001800c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800040000000004",
            "1800018008000100647570000c0002800800010000000001",
            "40000180080001006e61740034000280080001000000000008000200000000020800030000000001080005000000000208000600000000030800070000000002",
        ],
    );
}

/// `set allowed { type inet_proto . inet_service . ipv4_addr; flags interval; }`
#[test]
fn a_set_of_ranges_tells_the_kernel_where_fields_begin() {
    let allowed = Set {
        name: set("allowed"),
        key: vec![Field::Transport, Field::Port, Field::Address],
        value: None,
        kind: SetKind::Ranges,
    };
    let sent = [
        "0600010074000000",
        "0c000200616c6c6f77656400",
        "0800030000000084",
        "080004000000c347",
        "080005000000000c",
        "08000a0000000001",
        "2c000980280002800c00018008000100000000010c00018008000100000000020c0001800800010000000004",
    ];
    // Then comes user data, of which `nft` has more.
    assert!(body(&allowed.message(1)).starts_with(&sent.concat()));
}

/// `map learned { type ipv4_addr : ipv4_addr; size 65535; flags timeout,dynamic; timeout 1h; }`
#[test]
fn a_dynamic_map_has_a_size_and_an_end() {
    let learned = Set {
        name: set("learned"),
        key: vec![Field::Address],
        value: Some(Field::Address),
        kind: SetKind::Dynamic {
            timeout: Duration::from_secs(3600),
            size: 65535,
        },
    };
    let sent = [
        "0600010074000000",
        "0c0002006c6561726e656400",
        "0800030000000038",
        "0800040000000007",
        "0800050000000004",
        "0800060000000007",
        "0800070000000004",
        "08000a0000000002",
        "0c000980080001000000ffff",
        "0c000b00000000000036ee80",
    ];
    assert!(body(&learned.message(2)).starts_with(&sent.concat()));
}

/// `{ tcp . 80 . 10.0.0.0/8 }`
#[test]
fn a_range_is_sent_as_nft_does() {
    let key = |address: [u8; 4]| Key::default().byte(6).port(80).address(address.into());
    let range = Element::range(key([10, 0, 0, 0]), key([10, 255, 255, 255]));
    let [(message, _)] = &Change::AddElements(set("allowed"), vec![range]).messages(1)[..] else {
        panic!("one message for one element")
    };
    let sent = "300003802c0001801400018010000100060000000050\
                00000a00000014000a80100001000600000000500000\
                0affffff";
    assert!(body(message).ends_with(sent));
}

#[test]
fn a_batch_is_begun_and_ended_and_answered_once() {
    let changes = [
        Change::DeleteTable(TABLE),
        Change::AddElements(set("s"), vec![Element::key(Key::default().number(7)); 600]),
    ];
    let bytes = batch(&changes, 100);
    let mut seen = Vec::new();
    for packet in crate::socket::packets::<Message>(&bytes).unwrap() {
        let header = packet.header;
        seen.push((header.message_type, header.flags, header.sequence_number));
    }
    let add = SUBSYSTEM << 8 | NFT_MSG_NEWSETELEM;
    let expected = [
        (NFNL_MSG_BATCH_BEGIN, 1, 100),
        (SUBSYSTEM << 8 | NFT_MSG_DELTABLE, 1, 101),
        // 600 elements do not fit into one attribute.
        (add, 0x401, 102),
        (add, 0x401, 103),
        (add, 0x405, 104),
        (NFNL_MSG_BATCH_END, 1, 105),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_comment_survives_and_a_long_one_is_cut() {
    let long = "x".repeat(300);
    let longest = "x".repeat(127);
    for (text, kept) in [("stranger", "stranger"), ("", ""), (&long, &longest)] {
        let note = parts::note(text);
        assert_eq!(usize::from(note[1]), note.len() - 2);
        assert_eq!(parts::noted(&note).as_deref(), Some(kept));
    }
    assert_eq!(parts::noted(&[0, 9, b'x']), None);
    assert_eq!(
        parts::noted(&[7, 1, 0, 0, 2, b'x', 0]).as_deref(),
        Some("x")
    );
}

fn element() -> impl Strategy<Value = Element> {
    let key = || {
        let word = prop_oneof![
            any::<u32>().prop_map(|number| Key::default().number(number)),
            any::<[u8; 4]>().prop_map(|octets| Key::default().address(Ipv4Addr::from(octets))),
        ];
        (word, any::<u8>(), any::<u16>()).prop_map(|(key, byte, port)| key.byte(byte).port(port))
    };
    let time = || proptest::option::of(any::<u64>().prop_map(Duration::from_millis));
    let rest = (proptest::option::of(any::<Word>()), time(), time());
    (key(), proptest::option::of(key()), rest).prop_map(|(key, last, (value, timeout, left))| {
        Element {
            key,
            last,
            value,
            timeout,
            left,
        }
    })
}

proptest! {
    #[test]
    fn elements_survive_encoding_and_parsing(elements in proptest::collection::vec(element(), 0..300)) {
        let bytes = batch(&[Change::AddElements(set("s"), elements.clone())], 1);
        let mut back = Vec::new();
        for packet in crate::socket::packets::<Message>(&bytes).unwrap() {
            if let netlink_packet_core::NetlinkPayload::InnerMessage(message) = packet.payload {
                back.extend(read::listed(&message));
            }
        }
        prop_assert_eq!(back, elements);
    }

    #[test]
    fn no_bytes_are_too_much_for_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut header = NetlinkHeader::default();
        header.message_type = SUBSYSTEM << 8 | NFT_MSG_NEWSETELEM;
        if let Ok(message) = Message::deserialize(&header, &bytes) {
            let _ = read::listed(&message).count();
            let _ = read::rule(message.attributes());
        }
        let _ = Element::parse(&bytes);
        let _ = parts::noted(&bytes);
    }
}
