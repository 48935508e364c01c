//! Values of labels.

use super::LabelError;

/// A value that is not understood.
pub(super) fn value(text: &str, wanted: &'static str) -> LabelError {
    LabelError::Value {
        value: text.to_owned(),
        wanted,
    }
}

/// `true` or `false`, as Go's `strconv.ParseBool` reads it.
pub(super) fn boolean(text: &str) -> Result<bool, LabelError> {
    match text.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(value(text, "true or false")),
    }
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, LabelError> {
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| value(text, "a port from 1 to 65535"))
}

/// The parts between separators, without blanks around them, and without empty ones.
pub(super) fn list(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator)
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// The name that is most like one that is not known, if one is.
pub(super) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    let nearest = known.into_iter().min_by_key(distance);
    nearest.filter(|nearest| distance(nearest) <= 3)
}
