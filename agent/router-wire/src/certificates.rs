//! What a router tells its agent of its certificates: files, names and ends of validity, and nothing of their keys.

/// Longest name of a file, in bytes (`NAME_MAX`, limits.h), and longest DNS name (RFC 1035, section 2.3.4).
const FILE: usize = 255;
const DNS_NAME: usize = 255;
/// Most files with the key of one certificate, and most names of one.
const KEYS: usize = 4;
const NAMES: usize = 200;
/// A message is ended once it has so many bytes: with one more certificate it is as long as a message may be.
const PIECE: usize = 8 << 10;
/// Most bytes of all certificates of a router; others are left out.
pub const MOST: usize = 256 << 10;

/// A certificate that a router can show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Name of the file with it.
    pub file: String,
    /// Names of the files with its key: of each, the name and nothing else.
    pub keys: Vec<String>,
    /// The DNS names that it is for (subjectAltName), in small letters.
    pub names: Vec<String>,
    /// End of its validity, in seconds since 1970.
    pub expires_s: u64,
}

/// The certificates of a router, or a part of them, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// These.
    pub certificates: Vec<Certificate>,
    /// The next message has more of them.
    pub more: bool,
}

impl Certificate {
    /// Bytes that it takes in memory, about as many as in a message.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = self.keys.iter().chain(&self.names);
        let texts = texts.chain([&self.file]);
        texts.map(|text| text.len() + size_of::<String>()).sum()
    }

    /// As far as a message has room for it.
    pub(crate) fn cut(mut self) -> Self {
        self.file.truncate(self.file.floor_char_boundary(FILE));
        self.keys.retain(|key| key.len() <= FILE);
        self.keys.truncate(KEYS);
        self.names.retain(|name| name.len() <= DNS_NAME);
        self.names.truncate(NAMES);
        self
    }
}

/// The messages that say all certificates: one at least.
pub fn messages(all: impl IntoIterator<Item = Certificate>) -> Vec<Certificates> {
    let mut messages = Vec::new();
    let (mut piece, mut bytes, mut bytes_of_all) = (Vec::new(), 0, 0);
    for certificate in all {
        let certificate = certificate.cut();
        bytes_of_all += certificate.bytes();
        if bytes_of_all > MOST {
            break;
        }
        bytes += certificate.bytes();
        piece.push(certificate);
        if bytes >= PIECE {
            messages.push(Certificates {
                certificates: std::mem::take(&mut piece),
                more: true,
            });
            bytes = 0;
        }
    }
    messages.push(Certificates {
        certificates: piece,
        more: false,
    });
    messages
}

#[cfg(test)]
mod tests {
    use super::{Certificate, Certificates, MOST, messages};
    use crate::ToAgent;
    use crate::frame::{Decoder, encode};

    fn certificate(number: usize, names: usize) -> Certificate {
        Certificate {
            file: format!("{number:0>255}"),
            keys: vec!["k".repeat(255); 9],
            names: vec!["n".repeat(255); names],
            expires_s: u64::MAX,
        }
    }

    #[test]
    fn all_certificates_arrive_in_messages_that_an_agent_reads() {
        let sent: Vec<_> = (0..7)
            .map(|number| certificate(number, number * 50))
            .collect();
        let (mut decoder, mut received) = (Decoder::default(), Vec::new());
        let messages = messages(sent.clone());
        let last = messages.len() - 1;
        assert!(last > 1);
        for (number, message) in messages.into_iter().enumerate() {
            assert_eq!(message.more, number < last);
            decoder.push(&encode(ToAgent::Certificates(message.clone())));
            let read = decoder.next_message().unwrap();
            assert_eq!(read, Some(ToAgent::Certificates(message.clone())));
            received.extend(message.certificates);
        }
        let names: Vec<usize> = received.iter().map(|it| it.names.len()).collect();
        assert_eq!(names, [0, 50, 100, 150, 200, 200, 200]);
        assert!(received.iter().all(|it| it.keys.len() == 4));
        assert!(
            received
                .iter()
                .map(|it| &it.file)
                .eq(sent.iter().map(|it| &it.file))
        );
    }

    #[test]
    fn none_are_said_too_and_not_more_than_an_agent_keeps() {
        assert_eq!(messages([]), [Certificates::default()]);
        let many = (0..1_000).map(|number| certificate(number, 10));
        let bytes = |it: &Certificates| {
            it.certificates
                .iter()
                .map(Certificate::bytes)
                .sum::<usize>()
        };
        let messages = messages(many);
        let all: usize = messages.iter().map(bytes).sum();
        assert!((MOST / 2..=MOST).contains(&all), "{all}");
        assert!(messages.last().is_some_and(|it| !it.more));
    }

    #[test]
    fn what_is_too_long_for_a_name_is_left_out() {
        let long = Certificate {
            file: "\u{e9}".repeat(200),
            keys: vec!["k".repeat(256), "key".to_owned()],
            names: vec!["n".repeat(256), "a.test".to_owned()],
            expires_s: 1,
        };
        let cut = long.cut();
        assert_eq!(cut.file.len(), 254);
        assert_eq!(
            (cut.keys, cut.names),
            (vec!["key".to_owned()], vec!["a.test".to_owned()])
        );
    }
}
