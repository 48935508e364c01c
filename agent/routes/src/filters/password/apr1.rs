//! apr1: MD5 in a thousand rounds, as `htpasswd -m` makes it
//! (<https://httpd.apache.org/docs/2.4/misc/password_encryptions.html>).

use md5::{Digest, Md5};

/// The letters of its encoding, which is not that of RFC 4648.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of a password: 22 letters.
pub(super) fn hash(salt: &str, password: &[u8]) -> String {
    let salt = salt.as_bytes();
    let mut hash = start(salt, password);
    for round in 0..1000_u32 {
        let (first, last): (&[u8], &[u8]) = if round % 2 == 1 {
            (password, &hash)
        } else {
            (&hash, password)
        };
        let mut next = Md5::new();
        next.update(first);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(last);
        hash = next.finalize().into();
    }
    encoded(&hash)
}

/// The hash before the rounds.
fn start(salt: &[u8], password: &[u8]) -> [u8; 16] {
    let inner = Md5::new().chain_update(password).chain_update(salt);
    let inner = inner.chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(b"$apr1$");
    outer.update(salt);
    for piece in password.chunks(16) {
        outer.update(inner.get(..piece.len()).unwrap_or(&inner));
    }
    let mut length = password.len();
    while length > 0 {
        // An even bit takes the first letter: this is how it came to be, and how it has to stay.
        match password.first() {
            Some(first) if length.is_multiple_of(2) => outer.update([*first]),
            _ => outer.update([0]),
        }
        length /= 2;
    }
    outer.finalize().into()
}

/// The bytes in the order and in the letters that crypt(3) has for MD5: six bits a letter, the lowest ones first.
fn encoded(hash: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = hash.map(u32::from);
    let groups = [
        (a << 16 | g << 8 | m, 4),
        (b << 16 | h << 8 | n, 4),
        (c << 16 | i << 8 | o, 4),
        (d << 16 | j << 8 | p, 4),
        (e << 16 | k << 8 | f, 4),
        (l, 2),
    ];
    let letters = groups.iter().flat_map(|(bits, count)| {
        let sixes = (0..*count).map(move |at| (bits >> (6 * at)) & 0x3f);
        sixes.filter_map(|six| LETTERS.get(usize::try_from(six).ok()?))
    });
    letters.map(|letter| char::from(*letter)).collect()
}
