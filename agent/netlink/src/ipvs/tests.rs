//! Our messages against those that `ipvsadm` and the kernel exchange.

mod any;
mod made;
mod odd;

use super::message::{SERVICE, each};
use super::*;
use made::{at, dest, dests, mark, services, v4};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};

/// What was captured of one command.
struct Captured {
    sent: Vec<u8>,
    answers: Vec<GenlMessage<Message>>,
}

/// All that was captured of a command.
fn exchanges(command: &str) -> impl Iterator<Item = Captured> {
    let heading = format!("# {command}\n");
    let text = include_str!("tests/captured.hex");
    let parts: Vec<_> = text.split(&heading).skip(1).collect();
    parts.into_iter().map(|rest| {
        let (lines, _) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let bytes = |mark| {
            lines
                .lines()
                .filter_map(move |line| line.strip_prefix(mark))
        };
        Captured {
            sent: unhex(bytes("> ").next().unwrap()),
            answers: bytes("< ").map(|hex| message(&unhex(hex))).collect(),
        }
    })
}

/// The first exchange of it that begins with `request`.
fn captured_with(command: &str, request: Command) -> Captured {
    exchanges(command)
        .find(|captured| captured.sent[16] == request as u8)
        .unwrap_or_else(|| panic!("`{command}` was not captured"))
}

/// What the kernel answered to this very request.
fn listing(request: &GenlMessage<Message>) -> Vec<GenlMessage<Message>> {
    exchanges("ipvsadm -Ln --stats")
        .find(|captured| encoded(request.clone(), &captured.sent) == captured.sent)
        .map(|captured| captured.answers)
        .expect("ipvsadm asks the same")
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn message(bytes: &[u8]) -> GenlMessage<Message> {
    match NetlinkMessage::deserialize(bytes).unwrap().payload {
        NetlinkPayload::InnerMessage(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Ours, with the sequence number, the port and the flags of theirs, which the socket chooses.
fn encoded(message: GenlMessage<Message>, theirs: &[u8]) -> Vec<u8> {
    let mut packet = NetlinkMessage::new(
        NetlinkHeader::default(),
        NetlinkPayload::InnerMessage(message),
    );
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    bytes[6..16].copy_from_slice(&theirs[6..16]);
    bytes
}

/// The number of the family where it was captured.
const FAMILY: u16 = 33;

fn asked(command: Command, attributes: Vec<Attribute>) -> GenlMessage<Message> {
    Message::new(FAMILY, command, attributes)
}

/// The outermost attributes of a captured request.
fn outermost(sent: &[u8]) -> Vec<(u16, &[u8])> {
    each(&sent[20..]).unwrap()
}

#[test]
fn the_family_is_asked_for_as_by_ipvsadm() {
    let theirs = exchanges("(asking for the family)").next().unwrap();
    assert_eq!(encoded(Message::family(), &theirs.sent), theirs.sent);
    assert_eq!(theirs.answers[0].payload.family_id(), Some(FAMILY));
}

#[test]
fn version_and_size_are_read() {
    let theirs = captured_with("(asking for the version)", Command::GetInfo);
    let ours = asked(Command::GetInfo, vec![]);
    assert_eq!(encoded(ours, &theirs.sent), theirs.sent);
    let info = Info {
        version: (1, 2, 1),
        table_size: 4096,
    };
    assert_eq!(Info::parse(&theirs.answers[0].payload), Some(info));
}

#[test]
fn timeouts_are_read_and_set_as_by_ipvsadm() {
    let theirs = captured_with("ipvsadm -Ln --timeout", Command::GetConfig);
    let ours = asked(Command::GetConfig, vec![]);
    assert_eq!(encoded(ours, &theirs.sent), theirs.sent);
    let default = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    assert_eq!(Timeouts::parse(&theirs.answers[0].payload), Some(default));

    let theirs = captured_with("ipvsadm --set 901 121 301", Command::SetConfig);
    let changed = Timeouts {
        tcp: 901,
        tcp_fin: 121,
        udp: 301,
    };
    let ours = asked(Command::SetConfig, changed.attributes());
    assert_eq!(encoded(ours, &theirs.sent), theirs.sent);
}

#[test]
fn virtual_services_are_added_and_changed_as_by_ipvsadm() {
    for (words, service) in services() {
        let theirs = captured_with(&format!("ipvsadm -A {words}"), Command::NewService);
        let ours = asked(Command::NewService, vec![service.attribute()]);
        assert_eq!(encoded(ours, &theirs.sent), theirs.sent, "{words}");
    }
    let theirs = captured_with("ipvsadm -E -t 10.1.2.3:80 -s wlc", Command::SetService);
    let changed = Service::new(v4(Protocol::TCP, 80), Name::WEIGHTED_LEAST_CONNECTIONS);
    let ours = asked(Command::SetService, vec![changed.attribute()]);
    assert_eq!(encoded(ours, &theirs.sent), theirs.sent);
}

/// `ipvsadm` names a virtual service by all of it, with a scheduler without a name. The kernel
/// reads what names it, and so that is all we send: it must be what theirs begins with.
fn assert_named_alike(ours: &Attribute, theirs: &[u8], words: &str) {
    assert_eq!(ours.value(), &theirs[..ours.value().len()], "{words}");
}

#[test]
fn virtual_services_are_removed_by_what_names_them() {
    for (words, id) in [
        (
            "-t [2001:db8::1]:443",
            at(Protocol::TCP, "2001:db8::1", 443),
        ),
        ("-t 10.1.2.3:80", v4(Protocol::TCP, 80)),
        ("-f 6 -6", mark(6, Family::V6)),
        ("-f 5", mark(5, Family::V4)),
    ] {
        let theirs = captured_with(&format!("ipvsadm -D {words}"), Command::DelService);
        let [(SERVICE, service)] = outermost(&theirs.sent)[..] else {
            panic!("{words}: not one virtual service");
        };
        assert_named_alike(&id.attribute(), service, words);
    }
}

#[test]
fn destinations_are_added_and_changed_as_by_ipvsadm() {
    let added = dests().into_iter().flat_map(|(id, dests)| {
        let add = move |(words, dest)| (id, 'a', Command::NewDest, words, dest);
        dests.into_iter().map(add)
    });
    let changed = (
        v4(Protocol::TCP, 80),
        'e',
        Command::SetDest,
        "-t 10.1.2.3:80 -r 10.9.0.1:8080 -m -w 0 -x 100 -y 50",
        drained(),
    );
    for (id, verb, command, words, dest) in added.chain([changed]) {
        let theirs = captured_with(&format!("ipvsadm -{verb} {words}"), command);
        let [(SERVICE, service), (DEST, all)] = outermost(&theirs.sent)[..] else {
            panic!("{words}: not one virtual and one destination");
        };
        assert_named_alike(&id.attribute(), service, words);
        assert_eq!(dest.attribute().value(), all, "{words}");
    }
}

/// What became of the first destination.
fn drained() -> Dest {
    Dest {
        upper: 100,
        lower: 50,
        ..dest("10.9.0.1", 8080, Method::Masq, 0)
    }
}

#[test]
fn destinations_are_removed_by_what_names_them() {
    for (id, words, gone) in [
        (
            v4(Protocol::TCP, 80),
            "-t 10.1.2.3:80 -r 10.9.0.2:80",
            dest("10.9.0.2", 80, Method::Masq, 1),
        ),
        (
            at(Protocol::TCP, "2001:db8::1", 443),
            "-t [2001:db8::1]:443 -r [2001:db8:9::1]:443",
            dest("2001:db8:9::1", 443, Method::Masq, 1),
        ),
    ] {
        let theirs = captured_with(&format!("ipvsadm -d {words}"), Command::DelDest);
        let [(SERVICE, service), (DEST, all)] = outermost(&theirs.sent)[..] else {
            panic!("{words}: not one virtual and one destination");
        };
        assert_named_alike(&id.attribute(), service, words);
        assert_named_alike(&gone.name(), all, words);
    }
}

/// The list of virtual services, as the kernel told it.
fn listed() -> Vec<(Service, Stats)> {
    let theirs = listing(&asked(Command::GetService, vec![]));
    several(Step::Services, &theirs, SERVICE, Service::parse).unwrap()
}

#[test]
fn virtual_services_are_listed_as_they_were_made() {
    let made = services().into_iter().map(|(words, mut service)| {
        if words == "-t 10.1.2.3:80 -s rr" {
            service.scheduler = Name::WEIGHTED_LEAST_CONNECTIONS;
        }
        service
    });
    let told = listed().into_iter().map(|(service, _)| service);
    assert_eq!(told.collect::<Vec<_>>(), made.collect::<Vec<_>>());
}

#[test]
fn traffic_is_counted() {
    let counted: Vec<_> = listed()
        .into_iter()
        .filter(|(_, stats)| stats.packets_in > 0)
        .map(|(service, stats)| (service.id, stats.connections, stats.bytes_in))
        .collect();
    assert_eq!(
        counted,
        [
            (v4(Protocol::TCP, 81), 2, 132_897),
            (at(Protocol::TCP, "2001:db8::1", 443), 2, 132_316),
        ]
    );
}

#[test]
fn destinations_are_listed_as_they_were_made_the_youngest_first() {
    for (id, made) in dests() {
        let request = asked(Command::GetDest, vec![id.attribute()]);
        let theirs = listing(&request);
        let told = several(Step::Dests(id), &theirs, DEST, |bytes| {
            Dest::parse(id.family(), bytes)
        });
        let told: Vec<_> = told.unwrap().into_iter().map(|(dest, _)| dest).collect();
        let mut made: Vec<_> = made.into_iter().map(|(_, dest)| dest).collect();
        for dest in &mut made {
            if dest.port == drained().port {
                *dest = drained();
            }
        }
        assert_eq!(told, made, "{id}");
    }
}

#[test]
fn a_destination_tells_what_it_does() {
    let id = v4(Protocol::TCP, 81);
    let theirs = listing(&asked(Command::GetDest, vec![id.attribute()]));
    let (dest, now) = Dest::parse(Family::V4, theirs[0].payload.find(DEST).unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(dest.to_string(), "10.9.0.7:81 Masq 1");
    assert_eq!((now.active, now.inactive, now.persistent), (0, 2, 1));
    let stats = Stats {
        connections: 2,
        packets_in: 25,
        packets_out: 22,
        bytes_in: 132_897,
        bytes_out: 1491,
        ..now.stats
    };
    assert_eq!(now.stats, stats);
    assert_ne!(now.stats.byte_rate_in, 0);
}
