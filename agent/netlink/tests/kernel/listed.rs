use crate::claim::{device, elements, params};
use crate::namespace::{in_namespace, not_tested, run};
use lb_netlink::claim::replace;
use lb_netlink::nft;
use std::process::Command;

/// Other versions write some of it in other words.
const VERSION: &str = "v1.0.6";

#[test]
fn nft_lists_the_rules_that_are_meant() {
    let what = "what nft lists";
    let version = match Command::new("nft").arg("--version").output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{what}: nft: {error}");
            not_tested(what, "there is no nft");
            return;
        }
    };
    if !version.contains(VERSION) {
        not_tested(what, &format!("{} is here, not {VERSION}", version.trim()));
        return;
    }
    in_namespace(what, |wire| {
        device();
        nft::apply(wire, &replace(&params(), &elements(), Vec::new())).unwrap();
        let listed = ["ip", "ip6"].map(|family| run("nft", &["list", "table", family, "swarmlb"]));
        // It follows from the rules' bytes: what it is says nothing to a reader.
        let listed = listed.concat();
        let lines = listed
            .lines()
            .filter(|line| !line.contains("swarmlb rules"));
        let lines: String = lines.flat_map(|line| [line, "\n"]).collect();
        assert_eq!(lines, include_str!("expected.nft"));
    });
}
