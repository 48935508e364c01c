//! Passwords against digests as `htpasswd` writes them
//! (<https://httpd.apache.org/docs/2.4/misc/password_encryptions.html>).

mod apr1;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// Longest password, in bytes: `htpasswd` makes none that is longer, and apr1 takes a thousand times its length.
const LONGEST: usize = 255;
/// Longest salt of apr1, in bytes.
const APR1_SALT: usize = 8;
/// Highest cost of bcrypt that `htpasswd` makes: 2^17 rounds are some seconds.
const HIGHEST_COST: u32 = 17;

/// Is it the password of this digest: bcrypt (`$2y$`, `$2a$`, `$2b$`), apr1 (`$apr1$`) or SHA-1 (`{SHA}`)? No password
/// belongs to a digest of another kind, or to one that is not whole. The comparison takes as long whatever differs.
#[must_use]
pub fn verify(digest: &str, password: &[u8]) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let made = if let Some(sha) = digest.strip_prefix("{SHA}") {
        return same(
            sha.as_bytes(),
            STANDARD.encode(Sha1::digest(password)).as_bytes(),
        );
    } else if let Some(rest) = digest.strip_prefix("$apr1$") {
        rest.split_once('$')
            .filter(|(salt, _)| salt.len() <= APR1_SALT)
            .map(|(salt, hash)| same(hash.as_bytes(), apr1::hash(salt, password).as_bytes()))
    } else {
        bcrypt_parts(digest).map(|(cost, salt, hash)| {
            // The C programs take the zero at the end of the password as a part of it, and 72 bytes at most.
            let mut text = password.to_vec();
            text.push(0);
            text.truncate(72);
            let made = bcrypt::bcrypt(cost, salt, &text);
            // The last byte of the hash is in no digest.
            made.get(..23).is_some_and(|made| same(&hash, made))
        })
    };
    made.unwrap_or_default()
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Cost, salt and hash of `$2y$COST$` and 22 and 31 letters.
fn bcrypt_parts(digest: &str) -> Option<(u32, [u8; 16], [u8; 23])> {
    let rest = ["$2y$", "$2b$", "$2a$"]
        .iter()
        .find_map(|kind| digest.strip_prefix(kind))?;
    let (cost, rest) = rest.split_once('$')?;
    let cost: u32 = cost
        .parse()
        .ok()
        .filter(|cost| (4..=HIGHEST_COST).contains(cost))?;
    let (salt, hash) = rest.split_at_checked(22)?;
    let salt = bcrypt::BASE_64.decode(salt).ok()?.try_into().ok()?;
    let hash = bcrypt::BASE_64.decode(hash).ok()?.try_into().ok()?;
    Some((cost, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Digests of `openssl passwd -apr1`, of libcrypt, and of Python's hashlib, with their passwords.
    const DIGESTS: [(&str, &str); 9] = [
        ("$apr1$sAlt.8/x$4c6LJLJQoajHRvanxN2Hr.", ""),
        ("$apr1$sAlt.8/x$DrSjXk.1TuHH0lZaDdVGh/", "a"),
        ("$apr1$sAlt.8/x$j9MVbStUMEhoAPuY05CSw1", "geheim"),
        (
            "$apr1$sAlt.8/x$qquPu/xUTeyduKOS0ENFW.",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
        ("$apr1$sAlt.8/x$T1Lr.AhXKFmbF5WB3w/Rt.", "pässwörd"),
        ("$apr1$ab$H4lqmiTQrlzL8CUTs4TjD0", "geheim"),
        (
            "$2y$05$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK",
            "a",
        ),
        (
            "$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu",
            "geheim",
        ),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"),
    ];

    #[test]
    fn digests_of_other_programs_have_their_passwords_and_no_others() {
        for (digest, password) in DIGESTS {
            assert!(verify(digest, password.as_bytes()), "{digest}");
            assert!(
                !verify(digest, format!("{password} ").as_bytes()),
                "{digest}"
            );
            assert!(!verify(digest, b"other"), "{digest}");
            let (cut, _) = digest.split_at(digest.len() - 1);
            assert!(!verify(cut, password.as_bytes()), "{cut}");
        }
    }

    #[test]
    fn the_other_prefixes_of_bcrypt_are_the_same_algorithm() {
        let digest = "$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu";
        for kind in ["$2a$", "$2b$"] {
            assert!(verify(&digest.replace("$2y$", kind), b"geheim"), "{kind}");
        }
        assert!(!verify(&digest.replace("$2y$", "$2x$"), b"geheim"));
    }

    #[test]
    fn what_would_take_for_ever_is_no_password() {
        let digest = "$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu";
        let whole = |cost| bcrypt_parts(&digest.replace("$05$", cost)).is_some();
        assert!(whole("$04$") && whole("$17$"));
        assert!(!whole("$03$") && !whole("$18$") && !whole("$31$"));
        let long = [b'x'; 256];
        let of_long = format!("$apr1$ab${}", apr1::hash("ab", &long));
        assert!(!verify(&of_long, &long));
        let shorter = &long[..255];
        assert!(verify(
            &format!("$apr1$ab${}", apr1::hash("ab", shorter)),
            shorter
        ));
    }

    #[test]
    fn a_salt_has_eight_letters_at_most() {
        let of_salt = |salt: &str| format!("$apr1${salt}${}", apr1::hash(salt, b"geheim"));
        assert!(verify(&of_salt("abcdefgh"), b"geheim"));
        assert!(!verify(&of_salt("abcdefghi"), b"geheim"));
    }

    proptest! {
        #[test]
        fn no_digest_stops_the_router(digest in "(\\{SHA\\}|\\$apr1\\$|\\$2y\\$04\\$|\\$2b\\$)?[./$a-zA-Z0-9ä]{0,56}", password in ".{0,8}") {
            prop_assert!(!verify(&digest, password.as_bytes()));
        }
    }
}
