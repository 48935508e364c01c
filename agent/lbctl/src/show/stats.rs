//! `lbctl stats`: a line for each service, and below it one for each of its tasks.

use super::{NONE, address};
use crate::human::{byte_rate, bytes, count, rate};
use crate::rates::{Rate, Rates};
use crate::table::{self, Column, numbers, words};
use lb_core::report::{Counters, PortReport, ServiceStats, Stats};

/// Counters by service and task; with columns for rates if there are `rates`, also empty ones.
pub(crate) fn text(stats: &Stats, rates: Option<&Rates>, width: Option<usize>) -> String {
    let mut text = if stats.services.is_empty() {
        "no service has a published port\n".to_owned()
    } else {
        let mut rows = Vec::new();
        for service in &stats.services {
            rows.extend(lines(service, rates));
        }
        table::text(&columns(rates.is_some()), &rows, width)
    };
    text.push_str(&missing(stats));
    text
}

/// The nodes whose traffic is not in the report.
pub(super) fn missing(stats: &Stats) -> String {
    if stats.missing.is_empty() {
        return String::new();
    }
    let missing = stats.missing.join(", ");
    format!("\nnot counted: what came in through {missing}, whose agent does not answer\n")
}

fn columns(rates: bool) -> Vec<Column> {
    let mut columns = vec![
        words("SERVICE/TASK"),
        words("NODE").spare(2),
        words("ADDRESS").spare(3),
        words("STATE").spare(1),
        numbers("NEW"),
        numbers("ACTIVE"),
        numbers("PKTS IN").spare(6),
        numbers("PKTS OUT").spare(6),
        numbers("BYTES IN").spare(4),
        numbers("BYTES OUT").spare(4),
    ];
    if rates {
        columns.extend([
            numbers("NEW/S"),
            numbers("PKTS/S").spare(5),
            numbers("IN/S"),
            numbers("OUT/S"),
        ]);
    }
    columns
}

fn lines(service: &ServiceStats, rates: Option<&Rates>) -> Vec<Vec<String>> {
    let running = service.tasks.iter().filter(|t| t.state == "running");
    let head = [
        service.name.clone(),
        String::new(),
        published(&service.ports),
        format!("{} running", running.count()),
    ];
    let rate = rates.map(|rates| rates.services.get(&service.id));
    let mut lines = vec![line(head, &service.total, rate)];
    let mut listed = Counters::default();
    for task in &service.tasks {
        listed.add(&task.counters);
        let head = [
            format!("  {}", task.name),
            task.node.clone(),
            address(task.address),
            task.state.clone(),
        ];
        let rate = rates.map(|rates| rates.tasks.get(&task.id));
        lines.push(line(head, &task.counters, rate));
    }
    // The rest of the total, so that the lines add up to it.
    let ended = less(&service.total, &listed);
    if ended != Counters::default() {
        let head = ["  ended tasks", "", "", ""].map(str::to_owned);
        lines.push(line(head, &ended, rates.map(|_| None)));
    }
    lines
}

/// Ports, shortened to the width of the column: `8080/tcp, 8080/udp +3`.
fn published(ports: &[PortReport]) -> String {
    const FEW: usize = 2;
    let few: Vec<String> = ports
        .iter()
        .take(FEW)
        .map(|port| format!("{}/{}", port.published, port.proto.as_str()))
        .collect();
    match ports.len().saturating_sub(FEW) {
        0 => few.join(", "),
        more => format!("{} +{more}", few.join(", ")),
    }
}

fn line(head: [String; 4], counters: &Counters, rates: Option<Option<&Rate>>) -> Vec<String> {
    let mut line = Vec::from(head);
    line.extend([
        count(counters.new),
        count(counters.active),
        count(counters.packets_in),
        count(counters.packets_out),
        bytes(counters.bytes_in),
        bytes(counters.bytes_out),
    ]);
    match rates {
        None => {}
        Some(None) => line.extend([NONE; 4].map(str::to_owned)),
        Some(Some(measured)) => line.extend([
            rate(measured.new),
            rate(measured.packets),
            byte_rate(measured.bytes_in),
            byte_rate(measured.bytes_out),
        ]),
    }
    line
}

fn less(total: &Counters, part: &Counters) -> Counters {
    Counters {
        new: total.new.saturating_sub(part.new),
        active: total.active.saturating_sub(part.active),
        packets_in: total.packets_in.saturating_sub(part.packets_in),
        bytes_in: total.bytes_in.saturating_sub(part.bytes_in),
        packets_out: total.packets_out.saturating_sub(part.packets_out),
        bytes_out: total.bytes_out.saturating_sub(part.bytes_out),
    }
}
