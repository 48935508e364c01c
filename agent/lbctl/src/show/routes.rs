//! `lbctl routes`.

use super::NONE;
use crate::human::plural;
use crate::table::{self, numbers, words};
use lb_core::report::{RouteReport, Routes};

pub(crate) fn text(routes: &Routes, width: Option<usize>) -> String {
    let problems = match routes.problems.len() {
        0 => String::new(),
        n => format!(
            "\n{} (see: lbctl routes --problems)\n",
            plural(n, "problem")
        ),
    };
    if routes.routes.is_empty() {
        return format!("no service declares an HTTP route\n{problems}");
    }
    let columns = [
        words("RULE"),
        words("SERVICE"),
        words("ENTRY POINTS").spare(1),
        words("FILTERS").spare(3),
        words("TO").spare(2),
        numbers("READY"),
        numbers("TASKS"),
        numbers("PRIORITY").spare(4),
    ];
    let rows: Vec<Vec<String>> = routes.routes.iter().map(row).collect();
    let table = table::text(&columns, &rows, width);
    format!("{table}{problems}")
}

fn row(route: &RouteReport) -> Vec<String> {
    let list = |words: &[String]| match words {
        [] => NONE.to_owned(),
        words => words.join(","),
    };
    let port = route.port.map(|port| format!("port {port}"));
    let to = port.or_else(|| route.redirect.clone());
    vec![
        route.rule.clone(),
        route.service_name.clone(),
        list(&route.entry_points),
        list(&route.filters),
        to.unwrap_or_else(|| NONE.to_owned()),
        route.ready.to_string(),
        route.tasks.to_string(),
        route.priority.to_string(),
    ]
}
