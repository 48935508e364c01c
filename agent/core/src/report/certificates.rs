//! Certificates of the HTTP routers, as they say: files, names and ends of validity, never keys.

use super::http::CERTIFICATE_EXPIRES;
use super::{Problem, RouterNumber};
use serde::{Deserialize, Serialize};

/// A certificate that ends within this time is a problem, in seconds: 14 days.
const SOON_S: u64 = 14 * 86_400;
/// Names of a certificate that are said.
const FEW: usize = 3;

/// A certificate that the HTTP router of a node can show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterCertificate {
    /// The file with it: in a Swarm, a secret of the router's service.
    pub file: String,
    /// The files with its key.
    pub keys: Vec<String>,
    /// The DNS names that it is for (subjectAltName), in small letters.
    pub names: Vec<String>,
    /// End of its validity, in seconds since 1970.
    pub expires_s: u64,
}

/// Names for people: not all where there are many.
pub(crate) fn shown(names: &[String]) -> String {
    let (few, more) = names.split_at(FEW.min(names.len()));
    match (few, more) {
        ([], _) => "no name".to_owned(),
        (few, []) => few.join(", "),
        (few, more) => format!("{} and {} more", few.join(", "), more.len()),
    }
}

/// The day of a moment in seconds since 1970, by UTC: `2026-12-31`. Counted in years that begin in March, so that a leap day is
/// the last one of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": `civil_from_days`).
#[must_use]
pub fn date(seconds: u64) -> String {
    const DAY_S: u64 = 86_400;
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = seconds / DAY_S + DAYS_TO_1970;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // Without the leap days before it, of which there is one in 4 years, none in 100, and one in 400.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next_year)
}

/// Certificates that have ended by `now_s` (seconds since 1970), or will within 14 days.
#[must_use]
pub fn expiring(certificates: &[RouterCertificate], now_s: u64) -> Vec<Problem> {
    let soon = |it: &&RouterCertificate| it.expires_s <= now_s.saturating_add(SOON_S);
    let problem = |it: &RouterCertificate| {
        let end = date(it.expires_s);
        let when = if it.expires_s <= now_s {
            format!("it has expired on {end} (UTC), so clients refuse it")
        } else {
            format!("it expires on {end} (UTC), and clients refuse it from then on")
        };
        Problem {
            object: format!("certificate {}", it.file),
            message: format!(
                "{when}; it is for {}: give the HTTP routers a new one in its place (docs/router.md, Certificates)",
                shown(&it.names)
            ),
        }
    };
    certificates.iter().filter(soon).map(problem).collect()
}

/// When certificates end, in seconds since 1970, by their first name and file.
#[must_use]
pub fn expiries(certificates: &[RouterCertificate]) -> Vec<RouterNumber> {
    let number = |it: &RouterCertificate| {
        let name = it.names.first().cloned().unwrap_or_default();
        let labels = [("name", name), ("file", it.file.clone())];
        let labels = labels.map(|(label, value)| (label.to_owned(), value));
        RouterNumber {
            name: CERTIFICATE_EXPIRES.to_owned(),
            labels: labels.into(),
            value: it.expires_s,
        }
    };
    certificates.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-12-01, 00:00 UTC.
    const NOW: u64 = 1_796_083_200;

    fn certificate(names: &[&str], expires_s: u64) -> RouterCertificate {
        RouterCertificate {
            file: "shop.crt".to_owned(),
            keys: vec!["shop.key".to_owned()],
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            expires_s,
        }
    }

    #[test]
    fn a_certificate_is_a_problem_from_14_days_before_its_end_on() {
        let at = |expires_s| expiring(&[certificate(&["shop.test"], expires_s)], NOW);
        assert_eq!(at(NOW + 14 * 86_400 + 1), []);
        let message = |expires_s| at(expires_s).remove(0).message;
        let soon = message(NOW + 14 * 86_400);
        assert!(
            soon.starts_with("it expires on 2026-12-15 (UTC), and"),
            "{soon}"
        );
        assert!(message(NOW + 1).starts_with("it expires on 2026-12-01"));
        let over = message(NOW);
        let expected = "it has expired on 2026-12-01 (UTC), so clients refuse it; it is for shop.test: give the HTTP routers a \
                        new one in its place (docs/router.md, Certificates)";
        assert_eq!(over, expected);
        assert_eq!(at(0).remove(0).object, "certificate shop.crt");
    }

    #[test]
    fn of_many_names_few_are_said() {
        for (names, expected) in [
            (&[][..], "no name"),
            (&["a", "b", "c"], "a, b, c"),
            (&["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        ] {
            assert_eq!(shown(&certificate(names, 0).names), expected);
        }
    }

    #[test]
    fn days_are_those_of_date() {
        // `date -u -d @SECONDS`.
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_868_799, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_798_761_599, "2026-12-31"),
            (1_798_761_600, "2027-01-01"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
            (67_090_118_400, "4096-01-01"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn ends_are_told_by_name_and_file() {
        let [number] = &expiries(&[certificate(&["a.test", "b.test"], 7)])[..] else {
            panic!("one number");
        };
        assert_eq!(
            (number.name.as_str(), number.value),
            (CERTIFICATE_EXPIRES, 7)
        );
        assert_eq!(
            (
                number.labels["name"].as_str(),
                number.labels["file"].as_str()
            ),
            ("a.test", "shop.crt")
        );
    }
}
