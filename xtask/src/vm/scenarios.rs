//! Scenarios: use of a published port with its expected result, and the tests that show it; run by each
//! datapath and, for comparison, by the stock mesh.

/// One scenario in words, and the names of its tests.
pub(crate) struct Scenario {
    pub(super) what: &'static str,
    pub(super) tests: &'static [&'static str],
}

/// In the order in which they are shown.
pub(crate) const SCENARIOS: [Scenario; 14] = [
    Scenario {
        what: "six requests reach six tasks, through every node",
        tests: &["balance::six_requests_reach_six_tasks_and_then_the_turn_begins_again"],
    },
    Scenario {
        what: "a kept connection sees one task, new ones see all",
        tests: &[
            "balance::a_kept_connection_sees_one_task_while_new_ones_see_all",
            "balance::a_client_may_use_one_port_for_every_node_at_once_and_one_after_the_other",
        ],
    },
    Scenario {
        what: "processes on a node call it by localhost and its address",
        tests: &[
            "host_callers::six_requests_of_a_process_reach_six_tasks_by_every_name_of_its_node",
            "host_callers::six_requests_of_a_process_reach_six_tasks_through_every_other_node",
        ],
    },
    Scenario {
        what: "containers call any node, themselves included",
        tests: &[
            "container_callers::a_container_reaches_every_task_in_turn_itself_included_through_every_node",
        ],
    },
    Scenario {
        what: "tasks see the client's address",
        tests: &["balance::tasks_see_the_clients_address_and_port_by_tcp_and_udp"],
    },
    Scenario {
        what: "scaling: new tasks are used at once, nothing fails",
        tests: &[
            "scale::scaling_up_and_down_under_load_fails_no_request_and_uses_new_tasks",
            "scale::a_task_is_reached_through_every_node_as_soon_as_it_runs",
        ],
    },
    Scenario {
        what: "nodes without a task, and with a new role, answer",
        tests: &[
            "balance::a_node_without_a_task_answers_as_well",
            "roles::a_worker_that_becomes_manager_and_back_goes_on_serving",
        ],
    },
    Scenario {
        what: "a port that Swarm assigns is served",
        tests: &["ports::a_port_that_swarm_assigns_is_served_on_every_node"],
    },
    Scenario {
        what: "a label publishes tasks with host ports",
        tests: &["labels::a_label_publishes_tasks_with_host_ports_on_every_node"],
    },
    Scenario {
        what: "TCP and UDP on one number; a client's datagrams stay",
        tests: &[
            "ports::tcp_and_udp_on_one_number_can_be_two_services",
            "flows::datagrams_of_one_socket_stay_with_a_task_and_move_on_when_it_is_killed",
        ],
    },
    Scenario {
        what: "global services are balanced like others",
        tests: &["balance::a_global_service_is_balanced_like_others"],
    },
    Scenario {
        what: "statistics are the sum of what clients did",
        tests: &["stats::every_agent_tells_the_sum_of_what_clients_did"],
    },
    Scenario {
        what: "the port of a removed service is refused",
        tests: &[
            "service_removal::the_port_of_a_removed_service_is_refused_and_nothing_is_left_in_the_kernel",
        ],
    },
    Scenario {
        what: "removed, nothing is left and the stock mesh answers",
        tests: &[
            "stack_removal::a_removed_stack_leaves_no_pin_and_no_program_on_any_node",
            // The same by IPVS, which has other traces.
            "what_others_destroy_is_put_right_what_is_theirs_stays_and_nothing_is_left_at_the_end",
        ],
    },
];

/// The core of that, and what befalls the IPVS path: what CI runs, on the oldest kernel.
pub(crate) const SHORT: [&str; 8] = [
    "balance::six_requests_reach_six_tasks_and_then_the_turn_begins_again",
    "balance::tasks_see_the_clients_address_and_port_by_tcp_and_udp",
    "balance::a_client_may_use_one_port_for_every_node_at_once_and_one_after_the_other",
    "host_callers::six_requests_of_a_process_reach_six_tasks_by_every_name_of_its_node",
    "container_callers::a_container_reaches_every_task_in_turn_itself_included_through_every_node",
    "service_removal::the_port_of_a_removed_service_is_refused_and_nothing_is_left_in_the_kernel",
    "privileges::where_the_kernel_has_apparmor_the_agents_serve_under_dockers_profile",
    "what_others_destroy_is_put_right_what_is_theirs_stays_and_nothing_is_left_at_the_end",
];

/// Those of [`SHORT`] that run by eBPF: its programs are loaded by an older kernel, and serve.
pub(crate) const SHORT_EBPF: [&str; 3] = [SHORT[0], SHORT[1], SHORT[6]];

/// The names of all their tests.
pub(crate) fn tests() -> Vec<&'static str> {
    let all = SCENARIOS.iter().flat_map(|scenario| scenario.tests);
    all.copied().collect()
}

/// Where a test's scenario stands in [`SCENARIOS`].
pub(super) fn of(test: &str) -> Option<usize> {
    SCENARIOS
        .iter()
        .position(|scenario| scenario.tests.contains(&test))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A name that matches nothing would pass with no test run.
    #[test]
    fn each_test_that_is_named_is_there() {
        let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
        for test in tests().into_iter().chain(SHORT) {
            let (file, name) = match test.split_once("::") {
                Some((module, name)) => (format!("swarm/{module}.rs"), name),
                None => ("ipvs/main.rs".to_owned(), test),
            };
            let source = std::fs::read_to_string(suites.join(&file)).unwrap_or_default();
            let head = format!("#[test]\nfn {name}()");
            assert!(source.contains(&head), "{test} is not in {file}");
        }
    }
}
