//! Names and passwords in `Authorization` (RFC 7617).

use super::password;
use crate::route::{BasicAuth, User};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::fmt;

/// A name and a password that a client has sent, and what the password is compared with.
pub struct Credentials<'r> {
    /// The digest of the user of this name. Where there is none, that of another user: an answer that comes sooner would
    /// tell which names there are.
    digest: &'r str,
    /// The name, if there is a user of it.
    user: Option<&'r str>,
    /// The password, in whatever encoding the client has.
    password: Vec<u8>,
}

impl<'r> Credentials<'r> {
    /// What the request says; `None` if it says nothing, or not once, or not so.
    pub(super) fn of(auth: &'r BasicAuth, headers: &HeaderMap) -> Option<Self> {
        let (name, password) = sent(headers)?;
        let user = auth.users.iter().find(|user| user.name.as_bytes() == name);
        let compared: &User = user.or_else(|| auth.users.first())?;
        Some(Self {
            digest: &compared.digest,
            user: user.map(|user| user.name.as_str()),
            password,
        })
    }

    /// The digest that the password is compared with. Digest and password together are the key under which a cache may keep
    /// the outcome.
    #[must_use]
    pub fn digest(&self) -> &'r str {
        self.digest
    }

    /// The password. Caches keep a hash of it.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    /// The name, for the log. `None`: the route has no such user, and no password is the right one, whatever a cache says of
    /// digest and password.
    #[must_use]
    pub fn user(&self) -> Option<&'r str> {
        self.user
    }

    /// Compares the password. With bcrypt this takes as long as the digest's cost says: 50 ms and more.
    #[must_use]
    pub fn verify(&self) -> bool {
        password::verify(self.digest, &self.password) && self.user.is_some()
    }
}

/// Passwords and digests are in no log.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Tells the task who it is, and takes away what it is not to see.
pub(super) fn admit(auth: &BasicAuth, headers: &mut HeaderMap) {
    if let Some(field) = &auth.name_field {
        let name = sent(headers).and_then(|(name, _)| HeaderValue::from_bytes(&name).ok());
        // What the client says of itself in this field is nothing.
        headers.remove(field);
        if let Some(name) = name {
            headers.insert(field, name);
        }
    }
    if auth.removes_header {
        headers.remove(AUTHORIZATION);
    }
}

/// Name and password of the one `Authorization` field, of the scheme `Basic`.
fn sent(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    let (scheme, encoded) = field.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut name = STANDARD.decode(encoded.trim()).ok()?;
    let colon = name.iter().position(|byte| *byte == b':')?;
    let password = name.get(colon + 1..)?.to_vec();
    name.truncate(colon);
    Some((name, password))
}
