//! Cookies by which a client comes back to its task: reading and writing (RFC 6265, sections 4.1 and 4.2).

use crate::route::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use std::fmt::Write;

/// The values of a request's cookies of this name, without quotes around them. Names differ by case.
pub(super) fn values<'a>(request: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = request.get_all(COOKIE).into_iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs.filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| unquoted(value.trim()))
    })
}

/// What an answer says behind name and value of the cookie that it sets: the attributes, beginning with `;`, or nothing.
/// Where it sets several of this name, of the last one, which the client keeps.
pub(super) fn attributes_set<'a>(response: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = response.get_all(SET_COOKIE).into_iter();
    let mut set = fields
        .filter_map(|field| field.to_str().ok())
        .filter_map(|field| {
            let pair = field.split(';').next()?;
            let (key, _) = pair.split_once('=')?;
            (key.trim() == name).then(|| field.get(pair.len()..))?
        });
    set.next_back()
}

/// The field that sets a cookie.
pub(super) fn set(name: &str, value: &str, cookie: &Cookie) -> Option<HeaderValue> {
    let mut text = format!("{name}={value}; Path={}", cookie.path);
    if let Some(seconds) = cookie.max_age_s {
        let _ = write!(text, "; Max-Age={seconds}");
    }
    if cookie.http_only {
        text.push_str("; HttpOnly");
    }
    if cookie.secure {
        text.push_str("; Secure");
    }
    match cookie.same_site {
        Some(SameSite::None) => text.push_str("; SameSite=None"),
        Some(SameSite::Lax) => text.push_str("; SameSite=Lax"),
        Some(SameSite::Strict) => text.push_str("; SameSite=Strict"),
        None => {}
    }
    HeaderValue::from_str(&text).ok()
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others_in_several_fields_and_in_quotes() {
        let headers = request(&["a=1; s=one;b=2", "S=no; xs=no; s", "s=\"two\" ; s=; s=a=b"]);
        let found: Vec<&str> = values(&headers, "s").collect();
        assert_eq!(found, ["one", "two", "", "a=b"]);
        assert_eq!(values(&headers, "c").count(), 0);
        assert_eq!(values(&request(&["s=\""]), "s").next(), Some("\""));
    }

    #[test]
    fn attributes_are_those_of_the_last_cookie_of_the_name() {
        let mut headers = HeaderMap::new();
        for field in [
            "s=1; Path=/a",
            "t=1",
            " s =2; Path=/; Secure",
            "xs=3; Path=/x",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(field));
        }
        assert_eq!(attributes_set(&headers, "s"), Some("; Path=/; Secure"));
        assert_eq!(attributes_set(&headers, "t"), Some(""));
        assert_eq!(attributes_set(&headers, "u"), None);
    }

    #[test]
    fn attributes_are_written_as_the_label_says() {
        let mut cookie = Cookie {
            name: None,
            secure: false,
            http_only: false,
            same_site: None,
            path: "/".to_owned(),
            max_age_s: None,
        };
        let plain = set("n", "v", &cookie).unwrap();
        assert_eq!(plain, "n=v; Path=/");
        cookie = Cookie {
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Strict),
            path: "/app".to_owned(),
            max_age_s: Some(60),
            ..cookie
        };
        let full = "n=v; Path=/app; Max-Age=60; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(set("n", "v", &cookie).unwrap(), full);
        cookie.path = "/\n".to_owned();
        assert_eq!(set("n", "v", &cookie), None);
    }
}
