//! Words for the guest's shell.

/// A word as a shell has to see it to take it for one word.
pub(super) fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::process::Command;

    #[test]
    fn a_shell_gets_the_words_that_were_given() {
        let words: [&[u8]; 3] = [b"a b", b"it's", b"$(no) \"one\"\n"];
        let mut line = Vec::from(b"printf '%s|'".as_slice());
        for word in words {
            line.push(b' ');
            line.extend(quoted(word));
        }
        let mut shell = Command::new("sh");
        let told = shell.arg("-c").arg(OsString::from_vec(line)).output();
        assert_eq!(told.unwrap().stdout, b"a b|it's|$(no) \"one\"\n|");
    }
}
