//! The certificate that a client gets which connects to the host of a URL: chosen as the router does, among those that it
//! has told its agent of.

use super::RequestQuery;
use crate::report::certificates::{date, shown as few};
use crate::report::{CertificateBy, CertificateReport, RouterCertificate};
use lb_routes::certificates::ByName;
use lb_routes::route::Secrets;
use lb_routes::rule::Host;
use lb_routes::table::Table;
use std::net::IpAddr;

/// The certificate for the host of the URL at `now_s` (seconds since 1970), among those that are `known`; `None`: the router has
/// not said which it has.
pub(super) fn shown(
    table: &Table,
    query: &RequestQuery,
    known: Option<&[RouterCertificate]>,
    now_s: u64,
) -> CertificateReport {
    let host = &query.host;
    let tls = table.tls(host).map(|entry| &entry.route.tls);
    let mut report = CertificateReport {
        by: CertificateBy::Name,
        certificate: None,
        key: None,
        names: Vec::new(),
        expires_s: None,
    };
    if host.as_str().parse::<IpAddr>().is_ok() {
        report.by = CertificateBy::Nothing;
        return report;
    }
    if tls.is_some_and(|tls| tls.passthrough) {
        report.by = CertificateBy::Task;
        return report;
    }
    let secrets = tls.and_then(|tls| tls.secrets.as_ref());
    if let Some(secrets) = secrets {
        report.by = CertificateBy::Label;
        report.certificate = Some(secrets.certificate.clone());
        report.key = Some(secrets.key.clone());
    }
    let Some(known) = known else {
        return report;
    };
    let found = match secrets {
        Some(secrets) => of_files(known, secrets),
        None => by_name(known, host, now_s),
    };
    match found {
        Some(found) => {
            report.certificate = report.certificate.or_else(|| Some(found.file.clone()));
            report.key = report.key.or_else(|| found.keys.first().cloned());
            report.names.clone_from(&found.names);
            report.expires_s = Some(found.expires_s);
        }
        None => report.by = CertificateBy::Missing,
    }
    report
}

/// The certificate in one file whose key is in the other.
fn of_files<'a>(
    known: &'a [RouterCertificate],
    secrets: &Secrets,
) -> Option<&'a RouterCertificate> {
    let mut known = known.iter();
    known.find(|it| it.file == secrets.certificate && it.keys.contains(&secrets.key))
}

fn by_name<'a>(
    known: &'a [RouterCertificate],
    host: &Host,
    now_s: u64,
) -> Option<&'a RouterCertificate> {
    let mut all = ByName::default();
    for certificate in known {
        for name in &certificate.names {
            all.add(name, certificate.expires_s, certificate);
        }
    }
    all.get(host.as_str(), now_s).copied()
}

/// What is said of the certificate for a host, at `now_s` (seconds since 1970).
pub(super) fn sentences(report: &CertificateReport, host: &Host, now_s: u64) -> Vec<String> {
    let file = |name: &Option<String>| name.clone().unwrap_or_default();
    let (certificate, key) = (file(&report.certificate), file(&report.key));
    let fails =
        "the router ends the handshake with an alert (access_denied), and no request is sent";
    let first = match (report.by, report.expires_s) {
        (CertificateBy::Label, _) => format!(
            "The certificate for {host} is in the files {certificate} and {key} of the router, as a label says."
        ),
        (CertificateBy::Name, Some(_)) => {
            format!(
                "The certificate for {host} is in the file {certificate} of the router, found by that name."
            )
        }
        (CertificateBy::Name, None) => format!(
            "The certificate for {host} is found by that name among the router's certificates: no router has told this agent \
             which it has."
        ),
        (CertificateBy::Missing, _) if report.certificate.is_some() => format!(
            "A label says that the certificate for {host} is in the files {certificate} and {key} of the router, which are \
             not there or do not belong together: {fails}."
        ),
        (CertificateBy::Missing, _) => {
            format!("The router has no certificate for {host}: {fails}.")
        }
        (CertificateBy::Task, _) => format!(
            "Tasks speak TLS themselves with the clients of {host}, as a label says: the router sees neither requests \
             nor certificate."
        ),
        (CertificateBy::Nothing, _) => format!(
            "Clients say no name in the handshake where they are given an address: there is no certificate for {host}, \
             and no TLS."
        ),
    };
    let mut all = vec![first];
    all.extend(report.expires_s.map(|end| {
        let names = few(&report.names);
        let end_shown = date(end);
        if end < now_s {
            format!("It is for {names}, and has expired on {end_shown} (UTC): clients refuse it.")
        } else {
            format!("It is for {names}, and expires on {end_shown} (UTC).")
        }
    }));
    if report.expires_s.is_some() && !covers(&report.names, host) {
        all.push(format!("It is not for {host}: clients refuse it."));
    }
    all
}

/// Is a certificate with these names for a host?
fn covers(names: &[String], host: &Host) -> bool {
    let mut all = ByName::default();
    for name in names {
        all.add(name, 0, ());
    }
    all.get(host.as_str(), 0).is_some()
}
