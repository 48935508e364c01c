use crate::namespace::in_namespace;
use lb_netlink::nft::*;
use lb_netlink::socket::NetlinkSocket;
use nix::errno::Errno;
use std::time::Duration;

const TABLE: TableName = TableName {
    family: Family::Ip,
    name: "trial",
};
const SET: SetName = SetName {
    table: TABLE,
    name: "numbers",
};
const MAP: SetName = SetName {
    table: TABLE,
    name: "remapped_ports",
};

fn table(comment: &str) -> Change {
    Change::AddTable(Table {
        name: TABLE,
        comment: Some(comment.to_owned()),
    })
}

fn sets() -> [Change; 2] {
    [
        Change::AddSet(Set {
            name: SET,
            key: vec![Field::Mark],
            value: None,
            kind: SetKind::Expiring,
        }),
        Change::AddSet(Set {
            name: MAP,
            key: vec![Field::Address, Field::Port],
            value: Some(Field::Address),
            kind: SetKind::Plain,
        }),
    ]
}

fn number(number: u32) -> Element {
    Element::key(Key::default().number(number))
}

fn numbers(elements: &[Element]) -> Vec<u32> {
    let mut all: Vec<u32> = elements
        .iter()
        .map(|element| u32::from_ne_bytes(element.key.words::<1>().unwrap()[0]))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn what_is_not_there_is_an_answer_and_no_error() {
    in_namespace("an empty kernel", |netlink| {
        assert_eq!(comment(netlink, TABLE).unwrap(), None);
        assert_eq!(elements(netlink, SET).unwrap(), None);
        assert_eq!(rules(netlink, TABLE).unwrap(), []);
        apply(netlink, &[table("here")]).unwrap();
        assert_eq!(comment(netlink, TABLE).unwrap().as_deref(), Some("here"));
        assert_eq!(elements(netlink, SET).unwrap(), None);
    });
}

#[test]
fn a_batch_with_a_bad_change_changes_nothing_and_names_it() {
    in_namespace("a bad batch", |netlink| {
        let bad = Change::AddElements(MAP, vec![number(1)]);
        let mut batch = vec![table("x")];
        batch.extend(sets());
        batch.extend([bad.clone(), Change::Flush(SET)]);
        match apply(netlink, &batch) {
            Err(Error::Refused { change, errno }) => {
                assert_eq!((*change, errno), (bad, Errno::EINVAL));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(comment(netlink, TABLE).unwrap(), None);
        // The socket goes on with the next one.
        apply(netlink, &[table("y")]).unwrap();
        let gone = apply(
            netlink,
            &[Change::DeleteTable(TABLE), Change::DeleteTable(TABLE)],
        );
        assert_eq!(gone.unwrap_err().errno(), Some(Errno::ENOENT));
        assert_eq!(comment(netlink, TABLE).unwrap().as_deref(), Some("y"));
    });
}

#[test]
fn elements_come_and_go_with_their_values_and_times() {
    in_namespace("elements", |netlink| {
        apply(netlink, &[table("")]).unwrap();
        apply(netlink, &sets()).unwrap();
        let key = |port| Key::default().address([10, 0, 0, 1].into()).port(port);
        let pair = Element::pair(key(80), [241, 0, 0, 1]);
        let long = Element::expiring(Key::default().number(7), Duration::from_secs(100));
        let changes = [
            Change::AddElements(MAP, vec![pair.clone()]),
            Change::AddElements(SET, vec![long, number(8)]),
        ];
        apply(netlink, &changes).unwrap();
        assert_eq!(elements(netlink, MAP).unwrap(), Some(vec![pair.clone()]));
        let found = elements(netlink, SET).unwrap().unwrap();
        let timed = found
            .iter()
            .find(|element| element.timeout.is_some())
            .unwrap();
        assert_eq!(timed.timeout, Some(Duration::from_secs(100)));
        assert!(timed.left.unwrap() > Duration::from_secs(90));
        assert_eq!(numbers(&found), [7, 8]);

        let other = Element::pair(key(80), [241, 0, 0, 2]);
        let refused = apply(netlink, &[Change::AddElements(MAP, vec![other.clone()])]);
        assert_eq!(refused.unwrap_err().errno(), Some(Errno::EEXIST));
        let replaced = [
            Change::DeleteElements(MAP, vec![pair]),
            Change::AddElements(MAP, vec![other.clone()]),
            Change::Flush(SET),
        ];
        apply(netlink, &replaced).unwrap();
        assert_eq!(elements(netlink, MAP).unwrap(), Some(vec![other]));
        assert_eq!(elements(netlink, SET).unwrap(), Some(Vec::new()));
    });
}

#[test]
fn tens_of_thousands_of_elements_go_in_one_batch_and_come_back() {
    in_namespace("many elements", |netlink| {
        const MANY: u32 = 20_000;
        let mut batch = vec![table("")];
        batch.extend(sets());
        batch.push(Change::AddElements(SET, (0..MANY).map(number).collect()));
        apply(netlink, &batch).unwrap();
        assert!(settles(netlink, 0..MANY));
    });
}

/// Reads the set, and finds nothing in it twice. Some may be missing while the hash table grows.
fn read_once_each(netlink: &mut NetlinkSocket) -> Vec<u32> {
    let found = numbers(&elements(netlink, SET).unwrap().unwrap());
    let mut once = found.clone();
    once.dedup();
    assert_eq!(found.len(), once.len(), "an element was listed twice");
    found
}

/// Is this the content of the set, as soon as its hash table has grown?
fn settles(netlink: &mut NetlinkSocket, content: std::ops::Range<u32>) -> bool {
    (0..100).any(|_| {
        let whole = read_once_each(netlink).into_iter().eq(content.clone());
        if !whole {
            std::thread::sleep(Duration::from_millis(20));
        }
        whole
    })
}

#[test]
fn what_is_read_is_whole_while_others_change_it() {
    in_namespace("reading and writing", |netlink| {
        let content = |first: u32| (first..first + 1000).map(number).collect();
        let mut batch = vec![table("")];
        batch.extend(sets());
        batch.push(Change::AddElements(SET, content(0)));
        apply(netlink, &batch).unwrap();
        std::thread::scope(|scope| {
            // In the same namespace: threads have that of whoever makes them.
            scope.spawn(|| {
                let netlink = netlink_sys::protocols::NETLINK_NETFILTER;
                let mut netlink = NetlinkSocket::open(netlink).unwrap();
                for round in 1..50 {
                    let changes = [
                        Change::Flush(SET),
                        Change::AddElements(SET, content(round * 1000)),
                    ];
                    apply(&mut netlink, &changes).unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            for _ in 0..50 {
                match elements(netlink, SET) {
                    Ok(found) => {
                        let found = numbers(&found.unwrap());
                        // Of one round all. Some may be missing while the hash table grows.
                        let round = found[0] / 1000;
                        assert!(found.into_iter().all(|number| number / 1000 == round));
                    }
                    Err(Error::Restless(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        assert!(settles(netlink, 49_000..50_000));
    });
}
