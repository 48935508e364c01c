//! Somebody sends a first piece in another client's name and never the rest.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use harness::acceptance::served;
use harness::agents::by_ipvs;
use harness::service::ServiceSpec;
use harness::slow;
use harness::topology::CLIENT;

use crate::attacker::Stranger;
use crate::packet::{at, pieces};
use crate::turn;
use crate::witness::SILENCE;

/// The node's own.
const OWN: u16 = 2049;
/// A published one, of a task elsewhere.
const PUBLISHED: u16 = 8460;
/// What a first piece says of the rest is forgotten by then, whatever comes.
const STALE: Duration = Duration::from_secs(12);

#[test]
fn a_first_piece_in_somebodys_name_takes_none_of_his_later_datagrams() {
    if by_ipvs() {
        // There, as on any host, the kernel itself puts pieces together before anything else sees them, and
        // a stranger's first piece spoils the datagram whose number and addresses it bears.
        return;
    }
    let Some(swarm) = turn() else { return };
    let spec = ServiceSpec::named("pieces")
        .on_node("node3")
        .publish(&format!("{PUBLISHED}:80/udp"));
    let (_service, _) = served(&swarm, &spec, 1);
    let node = swarm.node("node2").unwrap();
    let server = node
        .netns
        .run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, OWN)));
    let server = server.unwrap().unwrap();
    server
        .set_read_timeout(Some(slow::longer(SILENCE)))
        .unwrap();
    let receives = || {
        let mut bytes = [0; 2048];
        let length = server.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    };
    let sender = Stranger::of(&swarm);
    let steal = |identification: u16| {
        let published = at(node.addr, PUBLISHED);
        let [first, _] = pieces(at(CLIENT, 9), published, identification, &[b'x'; 40]);
        sender.sends(&first);
    };
    let honest = |identification: u16| {
        let says = format!("a datagram in two pieces, number {identification:05}");
        let pieces = pieces(
            at(CLIENT, 700),
            at(node.addr, OWN),
            identification,
            says.as_bytes(),
        );
        (says, pieces)
    };
    // One that nobody meddled with.
    let (says, [first, second]) = honest(1);
    sender.sends(&first);
    sender.sends(&second);
    assert_eq!(receives(), Some(says), "in pieces, before the attack");

    let mut wrong = Vec::new();
    for identification in 2..6 {
        steal(identification);
    }
    for identification in 2..4 {
        let (says, [first, second]) = honest(identification);
        sender.sends(&first);
        sender.sends(&second);
        if receives() != Some(says) {
            wrong.push(format!(
                "{identification}: with the first piece first, at once"
            ));
        }
    }
    std::thread::sleep(STALE);
    for identification in 4..6 {
        let (says, [first, second]) = honest(identification);
        sender.sends(&second);
        sender.sends(&first);
        if receives() != Some(says) {
            wrong.push(format!(
                "{identification}: with the second piece first, after {STALE:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
