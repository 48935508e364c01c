use crate::namespace::{in_namespace, run};
use crate::ruleset::{device, elements, params};
use agent::kernel::ipvs::ruleset::replace;
use lb_netlink::nft;
use lb_support::not_tested;
use std::process::Command;

/// Other versions write some of it in other words. It is that of Debian 12, in a container of which CI runs
/// (`.github/workflows/ci.yml`); what the rules do is tested wherever they are (`order` and its neighbours).
const VERSION: &str = "v1.0.6";

#[test]
fn nft_lists_the_rules_that_are_meant() {
    let what = "what nft lists";
    let version = match Command::new("nft").arg("--version").output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(error) => {
            not_tested(what, &format!("nft: {error}"));
            return;
        }
    };
    if !version.contains(VERSION) {
        not_tested(what, &format!("{} is here, not {VERSION}", version.trim()));
        return;
    }
    in_namespace(what, |netlink| {
        device();
        nft::apply(netlink, &replace(&params(), &elements(), Vec::new())).unwrap();
        let listed =
            ["ip", "ip6", "bridge"].map(|family| run("nft", &["list", "table", family, "swarmlb"]));
        // It follows from the rules' bytes: what it is says nothing to a reader.
        let listed = listed.concat();
        let lines = listed
            .lines()
            .filter(|line| !line.contains("swarmlb rules"));
        let lines: String = lines.flat_map(|line| [line, "\n"]).collect();
        assert_eq!(lines, include_str!("expected.nft"));
    });
}
