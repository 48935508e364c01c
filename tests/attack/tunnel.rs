//! Forged tunnel packets: the payload of a datagram to the
//! tunnel's port, in the forms of both datapaths. A form that a datapath does not speak is nothing
//! to it, so whoever attacks sends all.

use lb_core::model::ids::Key;

/// The agents' port, and the tunnel's.
pub(crate) const PORT: u16 = 6081;

/// Bytes of what a node adds to prove that it is one: an attacker can only guess them.
const TOKENS: [usize; 3] = [0, 8, 16];
/// Bytes of an attacker's guess at that proof in the IPVS path's header, which has room for so much.
const GUESS: [u8; 3] = [0x5a, 0x3c, 0x99];
/// The number of replies in the IPVS path's tunnel (`lb_core::backend::ipvs::ids::RETURN_ID`).
const RETURN: u32 = 0x80_0001;

/// Direction of a tunnel packet, as the eBPF path's header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To a task, for the published port.
    Task = 1,
    /// A reply, to a client.
    Client = 2,
    /// To a task, for the port that it listens on itself.
    Own = 3,
}

/// The packet inside, addressed to the task with this id, in every form.
pub(crate) fn forged(kind: Kind, task: &str, inner: &[u8]) -> Vec<Vec<u8>> {
    let key = Key::of(task).0;
    let number = match kind {
        Kind::Client => RETURN,
        // The task's tag (`lb_core::backend::ipvs::allocator::tag`).
        Kind::Task | Kind::Own => u32::try_from(key >> 40 & 0x7f_ffff).unwrap().max(1),
    };
    let geneve = TOKENS.map(|token| geneve(kind, key, token, inner));
    let vxlan = [[0; 3], GUESS].map(|cookie| with_cookie(cookie, number, inner));
    geneve.into_iter().chain(vxlan).collect()
}

/// Geneve (RFC 8926) with our option: the key of the task and, behind it, so many bytes of proof.
fn geneve(kind: Kind, key: u64, token: usize, inner: &[u8]) -> Vec<u8> {
    let words = u8::try_from(2 + token / 4).unwrap();
    let mut all = vec![words + 1, 0, 0x08, 0x00, 0, 0, 0, 0];
    all.extend([0xff, 0x5b, kind as u8, words]);
    all.extend(key.to_be_bytes());
    // As good as any.
    all.extend(
        Key::of("a guess")
            .0
            .to_be_bytes()
            .iter()
            .cycle()
            .take(token),
    );
    all.extend(inner);
    all
}

/// VXLAN with the protocol in its header, IPv4 (draft-ietf-nvo3-vxlan-gpe).
pub(crate) fn vxlan(number: u32, inner: &[u8]) -> Vec<u8> {
    with_cookie([0; 3], number, inner)
}

/// VXLAN as [`vxlan`] makes it, with a proof in the bits that are reserved there.
fn with_cookie([first, second, third]: [u8; 3], number: u32, inner: &[u8]) -> Vec<u8> {
    let mut all = vec![0x0c, first, second, 1];
    all.extend((number << 8 | u32::from(third)).to_be_bytes());
    all.extend(inner);
    all
}

/// A reply by the IPVS path, which names no task.
pub(crate) fn vxlan_reply(inner: &[u8]) -> Vec<u8> {
    vxlan(RETURN, inner)
}
