//! Somebody sends a first fragment in another client's name and never the rest.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use harness::acceptance::served;
use harness::agents::by_ipvs;
use harness::service::ServiceSpec;
use harness::slow;
use harness::topology::CLIENT;

use crate::attacker::Stranger;
use crate::packet::{at, fragments};
use crate::shared_swarm;
use crate::witness::SILENCE;

/// The node's own.
const OWN: u16 = 2049;
/// A published one, of a task elsewhere.
const PUBLISHED: u16 = 8460;
/// Time after which the ports of a first fragment are forgotten, whatever comes.
const STALE: Duration = Duration::from_secs(12);

#[test]
fn a_first_fragment_in_somebodys_name_takes_none_of_his_later_datagrams() {
    if by_ipvs() {
        // There, as on any host, the kernel itself puts fragments together before anything else sees them, and
        // a stranger's first fragment spoils the datagram whose number and addresses it bears.
        return;
    }
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("fragments")
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
        let [first, _] = fragments(at(CLIENT, 9), published, identification, &[b'x'; 40]);
        sender.sends(&first);
    };
    let honest = |identification: u16| {
        let says = format!("a datagram in two fragments, number {identification:05}");
        let fragments = fragments(
            at(CLIENT, 700),
            at(node.addr, OWN),
            identification,
            says.as_bytes(),
        );
        (says, fragments)
    };
    // One that nobody meddled with.
    let (says, [first, second]) = honest(1);
    sender.sends(&first);
    sender.sends(&second);
    assert_eq!(receives(), Some(says), "in fragments, before the attack");

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
                "{identification}: with the first fragment first, at once"
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
                "{identification}: with the second fragment first, after {STALE:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
