//! Quoting of arguments for the guest's shell.

/// The argument in single quotes, so that a POSIX shell reads it as one word without expanding anything.
pub(super) fn shell_quote(argument: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in argument {
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
            line.extend(shell_quote(word));
        }
        let mut shell = Command::new("sh");
        let told = shell.arg("-c").arg(OsString::from_vec(line)).output();
        assert_eq!(told.unwrap().stdout, b"a b|it's|$(no) \"one\"\n|");
    }
}
