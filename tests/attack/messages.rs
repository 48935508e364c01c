//! Messages from a node to a manager's agent (`agent/proto/sync.proto`), built by hand: also those that no
//! encoder would build.

use bytes::Bytes;

/// `LOCAL_HEALTH_DEAD`.
const DEAD: u8 = 3;
/// `EVENT_KIND_DIE`.
const DIE: u8 = 3;

/// A field of bytes, text or a message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    let mut length = content.len();
    // Seven bits a byte, and whether there are more.
    while length > 0x7f {
        all.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    all.push(u8::try_from(length).unwrap());
    all.extend_from_slice(content);
    all
}

/// A Hello with the node's name, its datapath, and further fields.
fn hello_with(node: &str, datapath: &[u8], rest: &[u8]) -> Bytes {
    let all = [
        field(1, node.as_bytes()),
        field(3, b"0.1.0"),
        rest.to_vec(),
        field(5, datapath),
    ];
    field(1, &all.concat()).into()
}

/// As an agent says it.
pub(crate) fn hello(node: &str, datapath: &str) -> Bytes {
    hello_with(node, datapath.as_bytes(), &[])
}

/// With a datapath of so many bytes.
pub(crate) fn long_hello(node: &str, bytes: usize) -> Bytes {
    hello_with(node, &vec![b'x'; bytes], &[])
}

/// With so many bytes of empty task entries: two each.
pub(crate) fn hello_of_empty_signs(node: &str, bytes: usize) -> Bytes {
    hello_with(node, b"ebpf", &field(4, &[]).repeat(bytes / 2))
}

/// Reports these tasks as dead.
pub(crate) fn hello_of_deaths(node: &str, tasks: impl Iterator<Item = String>) -> Bytes {
    let health = |task: String| field(4, &[field(1, task.as_bytes()), vec![2 << 3, DEAD]].concat());
    hello_with(node, b"ebpf", &tasks.flat_map(health).collect::<Vec<_>>())
}

/// A task's container has died.
pub(crate) fn death(task: &str) -> Bytes {
    field(2, &[field(1, task.as_bytes()), vec![2 << 3, DIE]].concat()).into()
}

/// Asks for the view.
pub(crate) fn subscribe() -> Bytes {
    field(4, &[1 << 3, 1]).into()
}

/// A heartbeat.
pub(crate) fn alive() -> Bytes {
    field(5, &[]).into()
}
