//! The form of a page, as `Accept` asks for it (RFC 9110, section 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// A form in which a page can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/plain`.
    Plain,
    /// `text/html`.
    Html,
    /// `application/problem+json` (RFC 9457).
    Json,
}

/// The form of highest weight; of equal ones, the one that is named first. Plain text where the client takes anything or
/// nothing of these: an error is told in any case.
pub(super) fn preferred(request: &HeaderMap) -> Format {
    let values = request.get_all(ACCEPT).into_iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut best = (Format::Plain, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let Some(format) = parts.next().and_then(of_media_type) else {
            continue;
        };
        let weight = parts.find_map(weight).unwrap_or(1000);
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

fn of_media_type(text: &str) -> Option<Format> {
    const KNOWN: [(&str, Format); 7] = [
        ("text/html", Format::Html),
        ("application/xhtml+xml", Format::Html),
        ("application/json", Format::Json),
        ("application/problem+json", Format::Json),
        ("application/*", Format::Json),
        ("text/plain", Format::Plain),
        ("*/*", Format::Plain),
    ];
    let known = KNOWN
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    known.map(|(_, format)| *format)
}

/// `q=0.8` in thousandths. One that is not understood counts as 0.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().unwrap_or_default();
    Some(match whole {
        "1" => 1000,
        "0" if digits => part,
        _ => 0,
    })
}
