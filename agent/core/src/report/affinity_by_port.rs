//! Names services with several ports whose affinity holds for each port by itself: by IPVS it is the persistence of a
//! virtual service, which has one address and one port.

use crate::model::snapshot::Snapshot;
use crate::report::Problem;

/// A problem for each service that asks for affinity and for more than one port, where the node serves by the datapath
/// `ipvs`; none where it serves by another one.
#[must_use]
pub fn affinity_by_port(snapshot: &Snapshot, datapath: &str) -> Vec<Problem> {
    if datapath != "ipvs" {
        return Vec::new();
    }
    let services = snapshot.services.values();
    let with_affinity =
        services.filter(|service| service.options().affinity.is_some() && !service.removed);
    let problem = |(name, ports): (&str, usize)| Problem {
        object: format!("service {name}"),
        message: format!(
            "by IPVS, affinity holds for each of its {ports} ports by itself, and a client may have another task at each; \
             publish one port, or serve by eBPF"
        ),
    };
    with_affinity
        .map(|service| (service.name.as_str(), service.claims().len()))
        .filter(|(_, ports)| *ports > 1)
        .map(problem)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::port::Proto;
    use crate::model::snapshot::Service;
    use crate::testing::{SnapshotBuilder, labels, port};

    fn told(set: &[(&str, &str)], ports: u16, datapath: &str) -> Vec<String> {
        let service = Service {
            name: "web".to_owned(),
            labels: labels(set),
            ports: (0..ports).map(|n| port(Proto::Tcp, 8080 + n, 80)).collect(),
            ..Service::default()
        };
        let snapshot = SnapshotBuilder::new().service("s", service).build();
        let problems = affinity_by_port(&snapshot, datapath).into_iter();
        problems
            .map(|problem| format!("{}: {}", problem.object, problem.message))
            .collect()
    }

    #[test]
    fn a_service_with_affinity_and_several_ports_is_named_where_ipvs_serves() {
        let affinity = [("swarmlb.affinity", "60")];
        let [problem] = &told(&affinity, 2, "ipvs")[..] else {
            panic!("one problem");
        };
        let begins = "service web: by IPVS, affinity holds for each of its 2 ports by itself";
        assert!(problem.starts_with(begins), "{problem}");
        let by_label = [("swarmlb.affinity", "60"), ("swarmlb.publish", "9090:90")];
        assert_eq!(told(&by_label, 1, "ipvs").len(), 1, "a label's port counts");
        for (set, ports, datapath) in [
            (&affinity[..], 1, "ipvs"),
            (&affinity[..], 2, "ebpf"),
            (&[], 2, "ipvs"),
        ] {
            assert_eq!(told(set, ports, datapath), Vec::<String>::new());
        }
    }
}
