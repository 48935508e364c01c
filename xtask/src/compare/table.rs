//! Results as Markdown, which is readable on a terminal, too.

use std::fmt::Write as _;

use super::results::{Locality, Results, Update, Variant};
use super::statistics::{Measure, VARIANTS, capital, locality_name, samples, variant_name};

/// All tables, and what they were taken on.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = heading(results);
    for locality in [Locality::Local, Locality::Remote] {
        let name = locality_name(locality);
        let _ = write!(text, "\n### {}\n\n", capital(name));
        text.push_str(&table(&figures(results, locality)));
    }
    if !results.updates.is_empty() {
        text.push_str("\n### A rolling update of 6 tasks, two at a time\n\n");
        text.push_str(&table(&updates(results)));
    }
    text
}

fn heading(results: &Results) -> String {
    let (machine, swarmlb) = (&results.machine, &results.swarmlb);
    let commit = swarmlb.commit.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "{}, Linux {}, Docker {}, {} CPUs {}; swarmlb {} ({commit}).\n\
         {} rounds of {} s for each figure; {} connections; latency at {} requests/s, \
         updates at {} new connections/s.\n\
         Each figure: median (least to most) of the rounds, × the stock mesh in the same round.\n",
        machine.date,
        machine.kernel,
        machine.engine,
        machine.cpus,
        machine.processor,
        swarmlb.version,
        results.rounds,
        results.seconds,
        results.connections,
        results.rate,
        results.update_rate,
    );
    for note in &results.notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// A line for each measure, a column for each variant that was measured in this locality.
fn figures(results: &Results, locality: Locality) -> Vec<Vec<String>> {
    let variants = VARIANTS.into_iter();
    let variants: Vec<Variant> = variants
        .filter(|variant| samples(results, *variant, locality).next().is_some())
        .collect();
    let mut lines = vec![vec![String::new()]];
    if let Some(first) = lines.first_mut() {
        first.extend(
            variants
                .iter()
                .map(|variant| variant_name(*variant).to_owned()),
        );
    }
    for measure in Measure::ALL {
        let cells = variants
            .iter()
            .map(|variant| cell(results, measure, *variant, locality));
        lines.push(
            std::iter::once(measure.name().to_owned())
                .chain(cells)
                .collect(),
        );
    }
    let failed = variants.iter().map(|variant| {
        let all = samples(results, *variant, locality);
        let failed = all.map(|sample| sample.kept.failed + sample.new.failed + sample.paced.failed);
        failed.sum::<u64>().to_string()
    });
    lines.push(
        std::iter::once("failed requests".to_owned())
            .chain(failed)
            .collect(),
    );
    lines
}

fn cell(results: &Results, measure: Measure, variant: Variant, locality: Locality) -> String {
    let Some(spread) = measure.spread(results, variant, locality) else {
        return String::new();
    };
    let (median, least, most) = (spread.median, spread.least, spread.most);
    let mut text = format!("{median:.0} ({least:.0} to {most:.0})");
    if variant != Variant::Mesh
        && let Some(ratio) = measure.ratio(results, variant, locality)
    {
        let _ = write!(text, " ×{:.2}", ratio.median);
    }
    text
}

/// A line for each variant and order; of several updates, their sums.
fn updates(results: &Results) -> Vec<Vec<String>> {
    let columns = [
        "by, order",
        "requests",
        "failed",
        "longest answer, ms",
        "took, s",
        "reasons",
    ];
    let mut lines = vec![columns.map(str::to_owned).to_vec()];
    for variant in VARIANTS {
        for order in ["stop-first", "start-first"] {
            let all = results.updates.iter();
            let all: Vec<&Update> = all
                .filter(|update| update.variant == variant && update.order == order)
                .collect();
            if all.is_empty() {
                continue;
            }
            let sum = |part: fn(&Update) -> u64| all.iter().map(|update| part(update)).sum::<u64>();
            let most = |part: fn(&Update) -> f64| all.iter().copied().map(part).fold(0.0, f64::max);
            let reasons = all.iter().flat_map(|update| &update.reasons);
            let reasons: Vec<String> = reasons.map(|(why, n)| format!("{n} × {why}")).collect();
            lines.push(vec![
                format!("{}, {order}", variant_name(variant)),
                sum(|update| update.asked).to_string(),
                sum(|update| update.failed).to_string(),
                format!("{:.0}", most(|update| update.slowest_ms)),
                format!("{:.0}", most(|update| update.seconds)),
                reasons.join("; "),
            ]);
        }
    }
    lines
}

/// The first line is the heading; columns are aligned for people who read it as it is.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [
            vec!["a".to_owned(), "×1".to_owned()],
            vec!["bcd".to_owned(), "2".to_owned()],
        ];
        assert_eq!(table(&lines), "| a   | ×1 |\n|-----|----|\n| bcd | 2  |\n");
    }
}
