//! Messages against what `nft` 1.0.6 sends for the same (`strace -e sendmsg -xx nft -f …`).

mod expressions;

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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message without its header of 4 bytes.
fn body(message: &Message) -> String {
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    hex(&bytes[4..])
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

/// `map learned { type ipv4_addr : ipv4_addr; size 65535; flags timeout,dynamic; timeout 1h; gc-interval 30s; }`
#[test]
fn a_dynamic_map_has_a_size_and_an_end() {
    let learned = Set {
        name: set("learned"),
        key: vec![Field::Address],
        value: Some(Field::Address),
        kind: SetKind::Dynamic {
            timeout: Duration::from_secs(3600),
            size: 65535,
            gc_interval: Duration::from_secs(30),
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
        "08000c0000007530",
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
    let bytes = || proptest::collection::vec(any::<u8>(), 1..40);
    let value = proptest::option::of(bytes());
    let rest = (
        value,
        time(),
        time(),
        prop_oneof![Just(Vec::new()), bytes()],
    );
    (key(), proptest::option::of(key()), rest).prop_map(|(key, last, rest)| {
        let (value, timeout, left, userdata) = rest;
        Element {
            key,
            last,
            value,
            timeout,
            left,
            userdata: Userdata(userdata),
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
    fn an_element_that_is_listed_twice_is_read_once(
        elements in proptest::collection::vec(element(), 0..20),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut listed = elements.clone();
        if !elements.is_empty() {
            listed.extend(again.iter().map(|which| which.get(&elements).clone()));
        }
        let read = read::each_once(listed.iter().cloned());
        let names = |all: &[Element]| -> Vec<_> {
            all.iter().map(|one| (one.key.clone(), one.last.clone())).collect()
        };
        prop_assert!(names(&read).is_sorted_by(|one, next| one < next));
        let of = |all: &[Element]| names(all).into_iter().collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(of(&read), of(&elements));
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
