//! What the routers of this node say of their certificates. Pure.
//!
//! A router is not trusted: of what it says no more is kept than there is room for, and that decides nothing.

use lb_core::report::RouterCertificate;
use lb_router_wire::certificates::{Certificate, Certificates, MOST};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What routers that are connected have said.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<u64, OfRouter>);

/// What one router has said.
#[derive(Debug, Default)]
struct OfRouter {
    /// `None` before it has said all.
    all: Option<Arc<[RouterCertificate]>>,
    /// Those of messages that are followed by more.
    begun: Vec<RouterCertificate>,
    /// Bytes of those.
    bytes: usize,
}

impl Told {
    /// Takes what the router of a session says.
    pub(super) fn take(&mut self, session: u64, told: Certificates) {
        let router = self.0.entry(session).or_default();
        for certificate in told.certificates {
            router.bytes = router.bytes.saturating_add(certificate.bytes());
            if router.bytes <= MOST {
                router.begun.push(report(certificate));
            }
        }
        if !told.more {
            router.all = Some(std::mem::take(&mut router.begun).into());
            router.bytes = 0;
        }
    }

    /// A session has ended.
    pub(super) fn end(&mut self, session: u64) {
        self.0.remove(&session);
    }

    /// The certificates of the router that has come last, of those that have said theirs.
    pub(super) fn newest(&self) -> Option<Arc<[RouterCertificate]>> {
        let mut routers = self.0.values().rev();
        routers.find_map(|router| router.all.clone())
    }
}

fn report(certificate: Certificate) -> RouterCertificate {
    RouterCertificate {
        file: certificate.file,
        keys: certificate.keys,
        names: certificate.names,
        expires_s: certificate.expires_s,
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificate, Certificates, MOST, Told};

    fn told(file: &str, more: bool) -> Certificates {
        let certificate = Certificate {
            file: file.to_owned(),
            ..Certificate::default()
        };
        Certificates {
            certificates: vec![certificate],
            more,
        }
    }

    fn files(told: &Told) -> Option<Vec<String>> {
        let newest = told.newest()?;
        Some(newest.iter().map(|it| it.file.clone()).collect())
    }

    #[test]
    fn the_newest_router_that_has_said_all_is_believed_until_it_goes() {
        let mut all = Told::default();
        assert_eq!(files(&all), None);
        all.take(1, told("a", true));
        assert_eq!(files(&all), None, "more comes");
        all.take(1, told("b", false));
        let of_first = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(files(&all), of_first);
        all.take(2, told("c", true));
        assert_eq!(files(&all), of_first);
        all.take(2, Certificates::default());
        assert_eq!(files(&all), Some(vec!["c".to_owned()]));
        all.take(2, Certificates::default());
        assert_eq!(files(&all), Some(Vec::new()), "it has none any more");
        all.end(2);
        assert_eq!(files(&all), of_first);
        all.end(1);
        assert_eq!(files(&all), None);
    }

    #[test]
    fn a_router_that_says_more_and_more_costs_no_more_memory() {
        let mut all = Told::default();
        let long = "f".repeat(1_000);
        for _ in 0..MOST / 500 {
            all.take(1, told(&long, true));
        }
        all.take(1, Certificates::default());
        let kept = all.newest().unwrap().len();
        assert!((1..=MOST / 1_000).contains(&kept), "{kept}");
        all.take(1, told("a", false));
        assert_eq!(all.newest().unwrap().len(), 1);
    }
}
