//! Paths of requests in one form, so that what a rule is compared with is what the task gets.
//!
//! Letters, digits, `-`, `.`, `_` and `~` are not encoded, other encodings have capital letters, and no segment is `.` or
//! `..` (RFC 3986, sections 6.2.2 and 5.2.4). An encoded slash stays encoded, and empty segments stay: to applications
//! they have meanings.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt;

/// A path in normal form: it begins with `/` and has neither query nor fragment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NormalPath(String);

/// Why a path is refused, with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("a path begins with /")]
    Relative,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("a % is followed by two hexadecimal digits")]
    Encoding,
    /// A byte that no path has, encoded or not: a control character, or one that is not ASCII and not encoded, or `\`.
    #[error("a path has no byte {0:#04x}")]
    Byte(u8),
    /// A `..` leads above the root.
    #[error("a path leads nowhere above /")]
    AboveRoot,
}

impl NormalPath {
    /// From the path of a request's target (RFC 9112, section 3.2.1).
    ///
    /// # Errors
    /// When proxies and applications would not agree on what it means.
    pub fn of(raw: &str) -> Result<Self, PathError> {
        let decoded = decoded(raw)?;
        let segments = decoded.strip_prefix('/').ok_or(PathError::Relative)?;
        let mut kept: Vec<&str> = Vec::new();
        let mut last_is_dots = false;
        for segment in segments.split('/') {
            last_is_dots = matches!(segment, "." | "..");
            match segment {
                "." => {}
                ".." => drop(kept.pop().ok_or(PathError::AboveRoot)?),
                segment => kept.push(segment),
            }
        }
        // `/a/.` is the directory `/a/`.
        if last_is_dots {
            kept.push("");
        }
        Ok(Self(format!("/{}", kept.join("/"))))
    }

    /// `/`.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// From a path as people write it in labels: also with letters that requests have encoded only.
    ///
    /// # Errors
    /// As for a request's path.
    pub fn written(text: &str) -> Result<Self, PathError> {
        const SPACE: AsciiSet = CONTROLS.add(b' ');
        Self::of(&utf8_percent_encode(text, &SPACE).to_string())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path behind a prefix that ends where a segment does; `/` where nothing is left.
    #[must_use]
    pub fn without(&self, prefix: &Self) -> Option<Self> {
        let prefix = prefix.0.trim_end_matches('/');
        let rest = self.0.strip_prefix(prefix)?;
        if rest.is_empty() {
            return Some(Self::root());
        }
        rest.starts_with('/').then(|| Self(rest.to_owned()))
    }
}

/// The path with what needs no encoding decoded.
fn decoded(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if let Some(byte) = raw
        .bytes()
        .find(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#' | b'?'))
    {
        return Err(PathError::Byte(byte));
    }
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut pieces = raw.split('%');
    let mut path = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece
            .get(..2)
            .filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or(PathError::Encoding)?;
        if byte.is_ascii_control() {
            return Err(PathError::Byte(byte));
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path.push_str(piece.get(2..).unwrap_or_default());
    }
    Ok(Cow::Owned(path))
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(raw: &str) -> Result<String, PathError> {
        NormalPath::of(raw).map(|path| path.to_string())
    }

    #[test]
    fn one_path_has_one_form() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/%61/%7e", "/a/~"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a//b", "/a//b"),
            ("/a/%2e%2E/b", "/b"),
            ("/...", "/..."),
            ("/a/..%2fb", "/a/..%2Fb"),
            ("/%C3%A4", "/%C3%A4"),
            ("/%25%32%65", "/%252e"),
        ] {
            assert_eq!(normal(raw), Ok(expected.to_owned()), "{raw}");
        }
    }

    #[test]
    fn what_is_read_in_several_ways_is_refused() {
        for (raw, error) in [
            ("", PathError::Relative),
            ("a", PathError::Relative),
            ("*", PathError::Relative),
            ("/%", PathError::Encoding),
            ("/%2", PathError::Encoding),
            ("/%zz", PathError::Encoding),
            ("/%+1", PathError::Encoding),
            ("/a\\b", PathError::Byte(b'\\')),
            ("/a b", PathError::Byte(b' ')),
            ("/a\n", PathError::Byte(b'\n')),
            ("/%00", PathError::Byte(0)),
            ("/%0d%0a", PathError::Byte(b'\r')),
            ("/ä", PathError::Byte(0xc3)),
            ("/a?b", PathError::Byte(b'?')),
            ("/..", PathError::AboveRoot),
            ("/a/../%2e%2e/b", PathError::AboveRoot),
        ] {
            assert_eq!(normal(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn labels_have_letters_that_requests_encode() {
        let written = |text| NormalPath::written(text).map(|path| path.to_string());
        assert_eq!(written("/ä b/%41"), Ok("/%C3%A4%20b/A".to_owned()));
        assert_eq!(written("/a\u{7}"), Err(PathError::Byte(7)));
    }

    #[test]
    fn a_prefix_is_taken_off_where_a_segment_ends() {
        let without = |path: &str, prefix: &str| {
            let path = NormalPath::of(path).unwrap();
            let prefix = NormalPath::of(prefix).unwrap();
            path.without(&prefix).map(|path| path.to_string())
        };
        assert_eq!(without("/app/x", "/app").as_deref(), Some("/x"));
        assert_eq!(without("/app/x", "/app/").as_deref(), Some("/x"));
        assert_eq!(without("/app", "/app").as_deref(), Some("/"));
        assert_eq!(without("/app/", "/app").as_deref(), Some("/"));
        assert_eq!(without("/apple", "/app"), None);
        assert_eq!(without("/x", "/app"), None);
        assert_eq!(without("/x", "/").as_deref(), Some("/x"));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(raw in "/?([a-z./%~]|%2[eEfF5]|%6[1-9]){0,12}|.{0,8}") {
            if let Ok(path) = NormalPath::of(&raw) {
                prop_assert_eq!(NormalPath::of(path.as_str()), Ok(path.clone()));
                let dots = path.as_str().split('/').any(|segment| matches!(segment, "." | ".."));
                prop_assert!(!dots && path.as_str().starts_with('/'), "{}", path);
            }
        }
    }
}
