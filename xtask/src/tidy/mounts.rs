//! The rule for mounts of the files in deploy: none that is written to stands below `/sys` or `/proc` in its container.
//! Docker's AppArmor profile (`docker-default`, profiles/apparmor/template.go of moby) denies writes there, whatever
//! capabilities a container has, and a service of a Swarm cannot choose another profile.

use super::Finding;
use super::source::Source;

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let is_stack = |file: &&Source| file.path.starts_with("deploy/") && file.path.ends_with(".yml");
    files.iter().filter(is_stack).flat_map(denied).collect()
}

/// Writable binds to a place that AppArmor denies. A mount is an item of a list, in lines of its own.
fn denied(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut target = None;
    let lines = file.text.lines().map(str::trim).zip(1..);
    // The end of the file ends its last mount.
    for (line, at) in lines.chain([("- type:", 0)]) {
        if line.starts_with("- type:") || (!line.is_empty() && line.ends_with(':')) {
            findings.extend(target.take().map(|(target, at)| {
                let what = format!("Docker's AppArmor profile denies writes to {target}: mount it elsewhere, or read only");
                Finding::new(&file.path, at, what)
            }));
        }
        if let Some(path) = line.strip_prefix("target: ") {
            let kernels = path.starts_with("/sys/") || path.starts_with("/proc/");
            target = kernels.then_some((path, at));
        }
        if line == "read_only: true" {
            target = None;
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::lines;
    use super::*;

    #[test]
    fn a_place_that_apparmor_denies_is_refused_where_it_is_written_to() {
        let mount = |rest: &str| {
            format!("    volumes:\n      - type: bind\n        source: /sys/fs/bpf\n{rest}")
        };
        let denied = mount("        target: /sys/fs/bpf\n");
        assert_eq!(lines(findings, "deploy/stack.yml", &denied), [4]);
        let more =
            denied.clone() + "      - type: bind\n        target: /a\n        read_only: true\n";
        assert_eq!(lines(findings, "deploy/stack.yml", &more), [4]);
        let key = denied.clone() + "    deploy:\n      mode: global\n    read_only: true\n";
        assert_eq!(lines(findings, "deploy/stack.yml", &key), [4]);
        assert!(lines(findings, "docs/stack.yml", &denied).is_empty());
        for allowed in [
            mount("        target: /sys/fs/cgroup\n        read_only: true\n"),
            mount("        target: /host/sys/fs/bpf\n"),
        ] {
            assert!(
                lines(findings, "deploy/stack.yml", &allowed).is_empty(),
                "{allowed}"
            );
        }
    }
}
