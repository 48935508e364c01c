//! The section of a page that is written by the machine.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const BEGIN: &str =
    "<!-- Between these marks it is written by `cargo xtask compare --write`. -->\n";
const END: &str = "<!-- The end of what is written by `cargo xtask compare --write`. -->\n";

/// Puts `section` in the place of the last one.
pub(super) fn replace(path: &Path, section: &str) -> Result<()> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| shown.to_string())?;
    let text =
        replaced(&text, section).with_context(|| format!("{shown} has not the two marks"))?;
    fs::write(path, text).with_context(|| format!("cannot write {shown}"))
}

fn replaced(text: &str, section: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n{}\n\n{END}{after}",
        section.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_the_marks_stays() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let once = replaced(&text, "new\n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("no marks", "new"), None);
    }
}
