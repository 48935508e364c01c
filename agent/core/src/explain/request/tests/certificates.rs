//! Which certificate an explanation says that a client is shown.

use super::*;

/// 2026-12-01 and 2030-01-02, 00:00 UTC.
const NOW: u64 = 1_796_083_200;
const LATER: u64 = 1_893_542_400;

fn certificate(file: &str, names: &[&str], expires_s: u64) -> RouterCertificate {
    RouterCertificate {
        file: format!("{file}.crt"),
        keys: vec![format!("{file}.key")],
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        expires_s,
    }
}

/// The explanation of a GET of `url`, where a service has the hosts of `hosts`.
fn told(hosts: &str, url: &str, known: Option<&[RouterCertificate]>) -> RequestExplanation {
    let labelled = [("com.docker.lb.hosts", hosts), SITE[1]];
    let snapshot = SnapshotBuilder::new()
        .service("b", with("site", 1, &labelled))
        .tasks("b", [("t1", "n1")])
        .build();
    explain_with(&snapshot, &query(url), known)
}

fn says(told: &RequestExplanation, sentence: &str) -> bool {
    told.sentences.iter().any(|it| it == sentence)
}

#[test]
fn the_certificate_is_chosen_by_name_as_the_router_does() {
    let known = [
        certificate("wide", &["*.a.example", "b.example"], LATER),
        certificate("one", &["one.a.example"], LATER),
        certificate("two", &["one.a.example", "b.example"], LATER),
    ];
    for (host, expected) in [
        ("one.a.example", Some("one.crt")),
        ("two.a.example", Some("wide.crt")),
        ("b.example", Some("wide.crt")),
        ("a.example", None),
        ("x.y.a.example", None),
    ] {
        let told = told(host, &format!("https://{host}/"), Some(&known));
        let shown = told.certificate.as_ref().unwrap();
        assert_eq!(shown.certificate.as_deref(), expected, "{host}");
        match expected {
            Some(file) => {
                assert_eq!(
                    (shown.by, told.result),
                    (CertificateBy::Name, RequestResult::Task)
                );
                assert_eq!((shown.expires_s, told.is_served()), (Some(LATER), true));
                let found = format!(
                    "The certificate for {host} is in the file {file} of the router, found by that name."
                );
                assert!(says(&told, &found), "{told:?}");
            }
            None => {
                assert_eq!(
                    (shown.by, told.result),
                    (CertificateBy::Missing, RequestResult::Refused)
                );
                assert!(!told.is_served());
                let missing = format!(
                    "The router has no certificate for {host}: the router ends the handshake with an alert (access_denied), and \
                     no request is sent."
                );
                assert!(says(&told, &missing), "{told:?}");
            }
        }
    }
    // Without TLS none is needed.
    let plain = told("a.example", "http://a.example/", Some(&known));
    assert_eq!(
        (plain.certificate, plain.result),
        (None, RequestResult::Task)
    );
}

#[test]
fn a_router_that_has_not_said_what_it_has_is_not_guessed_at() {
    let told = told("a.example", "https://a.example/", None);
    assert_eq!(told.result, RequestResult::Task);
    let unknown = "The certificate for a.example is found by that name among the router's certificates: no router has told this \
                   agent which it has.";
    assert!(says(&told, unknown), "{told:?}");
}

#[test]
fn it_is_said_for_what_a_certificate_is_and_until_when() {
    let said = |certificate: RouterCertificate| {
        told("a.example", "https://a.example/", Some(&[certificate])).sentences
    };
    let good = said(certificate("a", &["a.example", "b.example"], LATER));
    assert_eq!(
        good[2],
        "It is for a.example, b.example, and expires on 2030-01-02 (UTC)."
    );
    let over = said(certificate("a", &["a.example"], NOW - 1));
    assert_eq!(
        over[2],
        "It is for a.example, and has expired on 2026-11-30 (UTC): clients refuse it."
    );
}

#[test]
fn the_files_of_a_label_have_to_be_there_and_belong_together() {
    let explained = |known: &[RouterCertificate]| {
        explain_with(&swarm(), &query("https://shop.example/"), Some(known))
    };
    let named = "The certificate for shop.example is in the files shop.crt and shop.key of the router, as a label says.";
    let good = explained(&[certificate("shop", &["shop.example"], LATER)]);
    assert_eq!(
        good.certificate.as_ref().map(|it| it.by),
        Some(CertificateBy::Label)
    );
    assert!(says(&good, named), "{good:?}");
    assert!(!good.sentences.iter().any(|it| it.contains("not for")));
    let other = explained(&[certificate("shop", &["other.example"], LATER)]);
    assert!(says(&other, named) && says(&other, "It is not for shop.example: clients refuse it."));
    // By its name it would be this one.
    let by_name = certificate("site", &["shop.example"], LATER);
    let foreign = RouterCertificate {
        keys: vec!["other.key".to_owned()],
        ..certificate("shop", &["shop.example"], LATER)
    };
    for known in [vec![by_name], vec![foreign], Vec::new()] {
        let told = explained(&known);
        let shown = told.certificate.as_ref().unwrap();
        assert_eq!((shown.by, shown.expires_s), (CertificateBy::Missing, None));
        let missing = "A label says that the certificate for shop.example is in the files shop.crt and shop.key of the router, \
                       which are not there or do not belong together: the router ends the handshake with an alert \
                       (access_denied), and no request is sent.";
        assert!(says(&told, missing), "{told:?}");
    }
}
