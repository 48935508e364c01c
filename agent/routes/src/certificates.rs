//! Certificates by the names that they are for: which one a client is shown that asks for a host in the handshake of TLS
//! (SNI, RFC 6066, section 3).

use std::collections::HashMap;

/// Certificates by name.
#[derive(Clone, Debug)]
pub struct ByName<T> {
    /// By the name that it is for, in small letters.
    exact: HashMap<String, T>,
    /// By the domain below which it is for each name of one label (RFC 6125, section 6.4.3).
    wildcard: HashMap<String, T>,
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
    /// Adds a certificate for a DNS name; `*.` before it stands for one label. Of two for one name the first one stays.
    pub fn add(&mut self, name: &str, certificate: T) {
        let name = name.to_ascii_lowercase();
        let (names, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent.to_owned()),
            None => (&mut self.exact, name),
        };
        names.entry(name).or_insert(certificate);
    }

    /// The certificate for a host, whose name is in small letters: of its name, or else of the names beside it.
    #[must_use]
    pub fn get(&self, host: &str) -> Option<&T> {
        let exact = self.exact.get(host);
        exact.or_else(|| self.wildcard.get(host.split_once('.')?.1))
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
            all.add(name, certificate);
        }
        for (host, expected) in [
            ("b.a.test", Some(2)),
            ("c.a.test", Some(1)),
            ("a.test", None),
            ("d.c.a.test", None),
            ("test", None),
            ("", None),
        ] {
            assert_eq!(all.get(host).copied(), expected, "{host}");
        }
    }
}
