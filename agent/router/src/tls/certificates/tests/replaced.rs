//! Files that are replaced one after the other, and several certificates for one name.

use super::{CertificateProblem, Certificates, files, made};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

/// The certificates of these files, where those of `before` were there.
fn after(
    before: Option<&Certificates>,
    now: &[(&str, &[u8])],
) -> (Certificates, Vec<CertificateProblem>) {
    Certificates::of(&files(now), before)
}

/// The certificate for `a.test`, and that of the files `crt` and `key`, both without their chains.
fn of(all: &Certificates) -> [Option<Vec<u8>>; 2] {
    [all.for_name("a.test"), all.of_files("crt", "key")]
        .map(|found| found.map(|certificate| certificate.cert[0].to_vec()))
}

#[test]
fn a_certificate_is_used_until_the_new_one_has_its_key() {
    let ((old, old_key), (new, new_key)) = (made(&["a.test"]), made(&["a.test"]));
    let pair = [("crt", old.as_slice()), ("key", old_key.as_slice())];
    let (first, problems) = after(None, &pair);
    assert_eq!(problems, []);
    let before = of(&first);
    assert!(before[0].is_some() && before[0] == before[1]);
    let missing = [CertificateProblem::NoKey("crt".into())];
    let broken = [CertificateProblem::Broken("crt".into())];
    let half = &new[..new.len() / 2];
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (crt, key, expected) in [
        (new.as_slice(), old_key.as_slice(), &missing),
        (&old, &new_key, &missing),
        (&old, b"", &missing),
        (b"", &old_key, &broken),
        (half, &old_key, &broken),
        (garbage, &old_key, &broken),
    ] {
        let (second, problems) = after(Some(&first), &[("crt", crt), ("key", key)]);
        assert_eq!(problems, expected);
        assert_eq!(of(&second), before);
        // It is no other one if something else changes meanwhile.
        let more = [("crt", crt), ("key", key), ("other", b"more")];
        let (third, _) = after(Some(&second), &more);
        assert_eq!(of(&third), before);
        let pair = [("crt", new.as_slice()), ("key", new_key.as_slice())];
        let (last, problems) = after(Some(&third), &pair);
        assert_eq!(problems, []);
        let now = of(&last);
        assert!(now[0].is_some() && now[0] == now[1] && now != before);
        // Without the file there is none.
        let (none, _) = after(Some(&third), &[("key", old_key.as_slice())]);
        assert_eq!(of(&none), [None, None]);
    }
    // Files that never belonged together have none.
    let more = [("crt", new.as_slice()), ("other", old_key.as_slice())];
    let (second, _) = after(Some(&first), &more);
    assert!(second.of_files("crt", "other").is_none());
}

#[test]
fn an_authority_s_certificate_without_its_key_does_not_take_the_place_of_one_with_a_key() {
    let (old, old_key) = made(&["a.test"]);
    let pair = [("crt", old.as_slice()), ("key", old_key.as_slice())];
    let (first, _) = after(None, &pair);
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let new = params.self_signed(&key).unwrap().pem();
    let now = [("crt", new.as_bytes()), ("key", old_key.as_slice())];
    let (second, _) = after(Some(&first), &now);
    assert_eq!(of(&second), of(&first));
    assert_eq!(second.authorities.len(), 1);
}

#[test]
fn of_two_certificates_for_a_name_one_that_has_not_expired_serves() {
    let dated = |name: &str, year| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem() + &key.serialize_pem()).into_bytes()
    };
    let (expired, good, later) = (
        dated("a.test", 2001),
        dated("a.test", 4001),
        dated("a.test", 4002),
    );
    let below = dated("*.test", 4003);
    let serves = |now: &[(&str, &[u8])]| of(&after(None, now).0)[0].clone().unwrap();
    let only = |one: &[u8]| serves(&[("only", one)]);
    assert_eq!(
        serves(&[("1", &expired), ("2", &good), ("3", &later)]),
        only(&good)
    );
    assert_eq!(serves(&[("1", &later), ("2", &good)]), only(&later));
    assert_eq!(serves(&[("1", &expired), ("2", &below)]), only(&below));
    assert_eq!(serves(&[("1", &below), ("2", &good)]), only(&good));
    // One that has expired is better than none: the client says what is wrong.
    assert_eq!(serves(&[("1", &expired)]), only(&expired));
}
