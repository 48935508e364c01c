//! Acknowledgements of PING among the frames that a client of HTTP/2 sends (RFC 9113, sections 4.1 and 6.7).

/// Bytes with which a client begins, before its first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Bytes of a frame before its payload.
const HEADER: usize = 9;
/// Bytes of PING's payload.
const PAYLOAD: u32 = 8;
/// The type of PING.
const PING: u8 = 6;
/// Its flag.
const ACK: u8 = 1;

/// A frame of PING.
pub(super) type Ping = [u8; 17];

/// Takes an acknowledgement of PING out of what a client sends. The next one stays in it, until the first was given back.
#[derive(Debug)]
pub(super) struct PingAcks {
    /// Bytes that come before the next frame: of a payload, or of the preface.
    left: usize,
    /// The beginning of a frame of which it is not known yet whether it is an acknowledgement.
    begun: Vec<u8>,
    taken: Option<Ping>,
}

/// What is done with the next bytes.
enum Step {
    /// So many of them pass.
    Pass(usize),
    /// They begin with an acknowledgement, which is taken.
    Take,
    /// They are too few to tell.
    Wait,
}

impl PingAcks {
    /// Of a client that has sent nothing yet.
    pub(super) fn new() -> Self {
        Self {
            left: PREFACE,
            begun: Vec::new(),
            taken: None,
        }
    }

    /// Looks at the client's next bytes, before which those of [`Self::take_begun`] have their place. So many of them
    /// pass, which are at the front then.
    pub(super) fn sift(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut passed) = (0, 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Step::Pass(length) => {
                    if at != passed {
                        bytes.copy_within(at..at + length, passed);
                    }
                    at += length;
                    passed += length;
                }
                Step::Take => at += size_of::<Ping>(),
                Step::Wait => {
                    self.begun = rest.to_vec();
                    break;
                }
            }
        }
        passed
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        if self.left > 0 {
            let length = self.left.min(rest.len());
            self.left -= length;
            return Step::Pass(length);
        }
        let Some([high, middle, low, kind, flags, ..]) = rest.first_chunk::<HEADER>() else {
            return Step::Wait;
        };
        let payload = u32::from_be_bytes([0, *high, *middle, *low]);
        let acknowledges = *kind == PING && *flags & ACK != 0 && payload == PAYLOAD;
        if acknowledges && self.taken.is_none() {
            self.taken = rest.first_chunk().copied();
            return match self.taken {
                Some(_) => Step::Take,
                None => Step::Wait,
            };
        }
        self.left = payload as usize;
        Step::Pass(HEADER)
    }

    /// Is there the beginning of a frame that has not passed yet?
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The beginning of a frame that has not passed yet.
    pub(super) fn take_begun(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }

    /// Is there an acknowledgement that was taken, and a place for it between two frames?
    pub(super) fn may_give_back(&self) -> bool {
        self.taken.is_some() && self.left == 0
    }

    /// The acknowledgement that was taken.
    pub(super) fn give_back(&mut self) -> Option<Ping> {
        self.taken.take()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ping, PingAcks};

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    const FIRST: Ping = *b"\0\0\x08\x06\x01\0\0\0\0payload1";
    const SECOND: Ping = *b"\0\0\x08\x06\x01\0\0\0\0payload2";

    /// What passes of bytes that come in pieces of this size, and what is taken.
    fn sifted(bytes: &[u8], size: usize) -> (Vec<u8>, Option<Ping>) {
        let mut acks = PingAcks::new();
        let mut passed = Vec::new();
        for piece in bytes.chunks(size) {
            let mut piece = [acks.take_begun(), piece.to_vec()].concat();
            let length = acks.sift(&mut piece);
            passed.extend_from_slice(&piece[..length]);
        }
        (passed, acks.give_back())
    }

    #[test]
    fn an_acknowledgement_is_taken_and_all_else_passes_in_its_order() {
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let asks = b"\0\0\x08\x06\0\0\0\0\0question";
        // A payload that looks like an acknowledgement.
        let data = [b"\0\0\x11\0\0\0\0\0\x01".as_slice(), &FIRST].concat();
        let before = [PREFACE, settings, asks, &data].concat();
        let after = [data.as_slice(), &SECOND, settings].concat();
        let sent = [before.as_slice(), &FIRST, &after].concat();
        for size in 1..=sent.len() {
            let (passed, taken) = sifted(&sent, size);
            assert_eq!(passed, [before.as_slice(), &after].concat(), "{size}");
            assert_eq!(taken, Some(FIRST), "{size}");
        }
    }

    #[test]
    fn an_acknowledgement_is_given_back_between_two_frames() {
        let mut acks = PingAcks::new();
        let mut sent = [PREFACE, &FIRST, b"\0\0\x02\0\0\0\0\0\x01a"].concat();
        acks.sift(&mut sent);
        assert!(!acks.may_give_back(), "in a frame");
        acks.sift(&mut [b'b']);
        assert!(acks.may_give_back());
        acks.sift(&mut [0, 0]);
        assert!(acks.may_give_back(), "before what has not passed");
        assert_eq!(acks.give_back(), Some(FIRST));
        assert!(acks.has_begun() && !acks.may_give_back());
    }
}
