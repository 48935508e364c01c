//! Certificates by the names that they are for: which one a client is shown that asks for a host in the handshake of TLS
//! (SNI, RFC 6066, section 3).

use std::collections::HashMap;

/// Certificates by name.
#[derive(Clone, Debug)]
pub struct ByName<T> {
    /// By the name that they are for, in small letters.
    exact: HashMap<String, Vec<Dated<T>>>,
    /// By the domain below which they are for each name of one label (RFC 6125, section 6.4.3).
    wildcard: HashMap<String, Vec<Dated<T>>>,
}

/// A certificate with the last second of its validity, since 1970.
#[derive(Clone, Debug)]
struct Dated<T> {
    certificate: T,
    expires_s: u64,
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        }
    }
}

impl<T> ByName<T> {
    /// Adds a certificate for a DNS name; `*.` before it stands for one label. `expires_s`: the last second of its validity,
    /// since 1970.
    pub fn add(&mut self, name: &str, expires_s: u64, certificate: T) {
        let name = name.to_ascii_lowercase();
        let (names, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent.to_owned()),
            None => (&mut self.exact, name),
        };
        names.entry(name).or_default().push(Dated {
            certificate,
            expires_s,
        });
    }

    /// The certificate for a host, whose name is in small letters, at `now_s` (seconds since 1970): of its name, or else of the
    /// names beside it. Of several the first that has not expired; one that has is better than none, as the client then says
    /// what is wrong.
    #[must_use]
    pub fn get(&self, host: &str, now_s: u64) -> Option<&T> {
        let exact = self.exact.get(host);
        let parent = host.split_once('.').map(|(_, parent)| parent);
        let wildcard = parent.and_then(|parent| self.wildcard.get(parent));
        let all = || [exact, wildcard].into_iter().flatten().flatten();
        let valid = all().find(|dated| dated.expires_s >= now_s);
        let found = valid.or_else(|| all().next())?;
        Some(&found.certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::ByName;

    #[test]
    fn a_name_comes_before_a_wildcard_and_the_first_certificate_before_others() {
        let mut all = ByName::default();
        for (name, certificate) in [
            ("*.a.test", 1),
            ("B.A.test", 2),
            ("b.a.test", 3),
            ("*.A.test", 4),
        ] {
            all.add(name, 10, certificate);
        }
        for (host, expected) in [
            ("b.a.test", Some(2)),
            ("c.a.test", Some(1)),
            ("a.test", None),
            ("d.c.a.test", None),
            ("test", None),
            ("", None),
        ] {
            assert_eq!(all.get(host, 10).copied(), expected, "{host}");
        }
    }

    #[test]
    fn who_has_expired_gives_way_to_who_has_not() {
        let mut all = ByName::default();
        for (name, expires_s, certificate) in [
            ("a.test", 9, "expired"),
            ("*.test", 30, "below"),
            ("b.test", 9, "expired"),
            ("b.test", 20, "good"),
            ("b.test", 30, "later"),
            ("c.d", 9, "alone"),
        ] {
            all.add(name, expires_s, certificate);
        }
        for (host, now_s, expected) in [
            ("a.test", 9, "expired"),
            ("a.test", 10, "below"),
            ("a.test", 31, "expired"),
            ("b.test", 10, "good"),
            ("b.test", 25, "later"),
            ("c.d", 10, "alone"),
        ] {
            assert_eq!(all.get(host, now_s), Some(&expected), "{host} {now_s}");
        }
    }
}
