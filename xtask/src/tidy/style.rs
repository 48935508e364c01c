//! Rules for single files: length, words that do not belong, where `unsafe` may be.

use super::Finding;
use super::source::{Source, has_word};

/// Files longer than this are looked at, longer than that are split.
const LONG: usize = 250;
const TOO_LONG: usize = 350;

/// Where `unsafe` may be: the wrappers of the kernel's contexts and maps, the
/// agent's one wrapper that lets kernel types cross, the tests' harness, and the BPF
/// programs that measure the others.
const UNSAFE_PLACES: [&str; 8] = [
    "ebpf/src/fib",
    "ebpf/src/maps",
    "ebpf/src/tc",
    "ebpf/src/xdp",
    "ebpf/src/cgroup",
    "agent/src/kernel/bpf/pod",
    "tests/harness/",
    "tests/bench/programs/",
];

/// A SAFETY comment is at most so many lines above what it speaks of.
const SAFETY_LINES: usize = 6;

pub(super) fn findings(files: &[Source], developers_dirs: &[String]) -> Vec<Finding> {
    let mut all = Vec::new();
    for file in files {
        all.extend(too_long(file));
        all.extend(developers_paths(file, developers_dirs));
        if file.is_rust() {
            all.extend(unfinished(file));
            all.extend(unsafety(file));
        }
    }
    all
}

/// The note on a file that is long, but not yet too long.
pub(super) fn long(file: &Source) -> Option<Finding> {
    let lines = file.code.len();
    let what = format!("{lines} lines; {LONG} are enough for one idea");
    (file.is_rust() && (LONG + 1..=TOO_LONG).contains(&lines))
        .then(|| Finding::new(&file.path, 0, what))
}

fn too_long(file: &Source) -> Option<Finding> {
    let lines = file.code.len();
    let what = format!("{lines} lines: split it ({LONG} are enough for one idea)");
    (file.is_rust() && lines > TOO_LONG).then(|| Finding::new(&file.path, 0, what))
}

fn developers_paths(file: &Source, dirs: &[String]) -> Vec<Finding> {
    // In two parts, so that this file does not break its own rule.
    let homes = [concat!("/ho", "me/"), concat!("/Use", "rs/")];
    let patterns = homes.into_iter().chain(dirs.iter().map(String::as_str));
    let numbered = |pattern: &str| -> Vec<usize> {
        file.text
            .lines()
            .zip(1..)
            .filter(|(line, _)| line.contains(pattern))
            .map(|(_, at)| at)
            .collect()
    };
    patterns
        .flat_map(|pattern| numbered(pattern).into_iter().map(move |at| (pattern, at)))
        .map(|(pattern, at)| {
            Finding::new(
                &file.path,
                at,
                format!("`{pattern}` is a path of one developer's machine"),
            )
        })
        .collect()
}

fn unfinished(file: &Source) -> Vec<Finding> {
    let words = [
        ("#[ignore", "a test that never runs tests nothing"),
        ("todo!(", "unfinished"),
        ("unimplemented!(", "unfinished"),
        ("dbg!(", "left from debugging"),
    ];
    let found = words
        .iter()
        .flat_map(|(word, why)| file.lines_with(word).map(move |at| (at, word, why)));
    found
        .map(|(at, word, why)| Finding::new(&file.path, at, format!("`{word}`: {why}")))
        .collect()
}

fn unsafety(file: &Source) -> Vec<Finding> {
    let allowed = UNSAFE_PLACES
        .iter()
        .any(|place| file.path.starts_with(place));
    let raw: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in file.code.iter().enumerate() {
        // An attribute as `#[unsafe(no_mangle)]` contains no code to justify.
        if !has_word(&line.replace("#[unsafe(", ""), "unsafe") {
            continue;
        }
        let above = raw
            .get(index.saturating_sub(SAFETY_LINES)..=index)
            .unwrap_or_default();
        if !allowed {
            let what = format!("`unsafe` outside of {}", UNSAFE_PLACES.join(", "));
            findings.push(Finding::new(&file.path, index + 1, what));
        } else if !above
            .iter()
            .any(|line| line.contains("SAFETY") || line.contains("# Safety"))
        {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "`unsafe` without a SAFETY comment".to_owned(),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::printed;
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let rule = |files: &[Source]| findings(files, &["/srv/me/".to_owned()]);
        printed(rule, &[(path, text)])
    }

    #[test]
    fn long_files_are_noted_and_longer_ones_refused() {
        let of = |lines: usize| Source::new("a.rs".to_owned(), "x\n".repeat(lines));
        assert_eq!(long(&of(LONG)), None);
        assert!(long(&of(LONG + 1)).is_some() && too_long(&of(TOO_LONG)).is_none());
        assert!(long(&of(TOO_LONG + 1)).is_none() && too_long(&of(TOO_LONG + 1)).is_some());
        assert!(check("Cargo.lock", &"x\n".repeat(5000)).is_empty());
    }

    #[test]
    fn paths_of_a_machine_are_refused_in_every_file() {
        assert_eq!(check("README.md", "see\n/srv/me/notes").len(), 1);
        assert_eq!(check("a.rs", concat!("// /ho", "me/jo/x")).len(), 1);
        assert!(check("a.rs", "/var/lib/docker/").is_empty());
    }

    #[test]
    fn unfinished_code_is_refused_but_may_be_spoken_of() {
        assert_eq!(check("a.rs", "todo!()").len(), 1);
        assert_eq!(check("a.rs", "#[ignore = \"slow\"]").len(), 1);
        assert!(check("a.rs", "// no todo!() here").is_empty());
    }

    #[test]
    fn unsafe_has_its_places_and_its_reasons() {
        let block = "// SAFETY: checked\nunsafe { x() }";
        assert!(check("ebpf/src/maps/flows.rs", block).is_empty());
        assert!(check("ebpf/src/fib.rs", block).is_empty());
        assert_eq!(check("ebpf/src/fib.rs", "unsafe { x() }").len(), 1);
        assert_eq!(check("agent/src/run.rs", block).len(), 1);
        assert!(
            check(
                "ebpf/src/main.rs",
                "#[unsafe(no_mangle)]\n#![deny(unsafe_code)]"
            )
            .is_empty()
        );
    }
}
