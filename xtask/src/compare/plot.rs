//! Bars for what was found: each variant's figure as a multiple of the stock mesh's.

use anyhow::{Result, ensure};
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text};

use super::results::{Locality, Results, Variant};
use super::statistics::{Measure, Spread, VARIANTS, capital, locality_name, samples, variant_name};

/// The measures in the plot; the others are in the tables only.
const MEASURES: [Measure; 5] = [
    Measure::Kept,
    Measure::New,
    Measure::Bulk,
    Measure::Tail,
    Measure::NewCpu,
];
const LOCALITIES: [Locality; 2] = [Locality::Local, Locality::Remote];

/// Sizes in pixels.
const HEAD: f64 = 80.0;
const COLUMN: f64 = 456.0;
const LABELS: f64 = 112.0;
const BARS: f64 = 236.0;
const BAR: f64 = 15.0;
const STEP: f64 = 19.0;
const TITLE: f64 = 26.0;
const GAP: f64 = 14.0;
const MARGIN: f64 = 16.0;

const INK: &str = "#1f2937";
const PALE: &str = "#6b7280";

const fn colour(variant: Variant) -> &'static str {
    match variant {
        Variant::Direct => "#9ca3af",
        Variant::Host => "#c4b5a5",
        Variant::Mesh => "#4b5563",
        Variant::Ebpf => "#2563eb",
        Variant::Ipvs => "#ea580c",
    }
}

/// The whole picture.
pub(super) fn svg(results: &Results) -> Result<String> {
    let variants: Vec<Variant> = VARIANTS
        .into_iter()
        .filter(|variant| samples(results, *variant, Locality::Local).next().is_some())
        .collect();
    ensure!(
        variants.contains(&Variant::Mesh),
        "the stock mesh was not measured"
    );
    let panel = TITLE + STEP * number(variants.len()) + GAP;
    let width = 2.0 * MARGIN + COLUMN * number(LOCALITIES.len());
    let height = HEAD + panel * number(MEASURES.len()) + MARGIN;
    let machine = &results.machine;
    let subtitle = format!(
        "Linux {}, Docker {}, {} CPUs {}; swarmlb {}; {} rounds, lines: least to most",
        machine.kernel,
        machine.engine,
        machine.cpus,
        machine.processor,
        results.swarmlb.version,
        results.rounds,
    );
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "system-ui, sans-serif")
        .add(
            Rectangle::new()
                .set("width", width)
                .set("height", height)
                .set("fill", "#ffffff"),
        )
        .add(
            text(
                "A published port: how many times the stock mesh",
                (MARGIN, 24.0),
                16,
                INK,
            )
            .set("font-weight", "600"),
        )
        .add(text(&subtitle, (MARGIN, 42.0), 11, PALE));
    for (column, locality) in LOCALITIES.into_iter().enumerate() {
        let at = (MARGIN + COLUMN * number(column), 66.0);
        document = document.add(text(&capital(locality_name(locality)), at, 13, INK));
    }
    for (row, measure) in MEASURES.into_iter().enumerate() {
        // The same scale for both localities.
        let most = scale(results, measure, &variants);
        for (column, locality) in LOCALITIES.into_iter().enumerate() {
            let at = (MARGIN + COLUMN * number(column), HEAD + panel * number(row));
            document = document.add(bars(results, (measure, locality), &variants, most, at));
        }
    }
    Ok(format!("{document}\n"))
}

/// The largest ratio that is drawn of a measure, and some room.
fn scale(results: &Results, measure: Measure, variants: &[Variant]) -> f64 {
    let ratios = LOCALITIES.into_iter().flat_map(|locality| {
        variants
            .iter()
            .filter_map(move |variant| measure.ratio(results, *variant, locality))
    });
    ratios.map(|ratio| ratio.most).fold(1.0, f64::max) * 1.05
}

/// One panel: a measure for a locality.
fn bars(
    results: &Results,
    (measure, locality): (Measure, Locality),
    variants: &[Variant],
    most: f64,
    (x, y): (f64, f64),
) -> Group {
    let better = if measure.more_is_better() {
        "more"
    } else {
        "less"
    };
    let title = format!("{} ({better} is better)", measure.name());
    let title = text(&title, (x, y + 14.0), 12, INK).set("font-weight", "600");
    let mut group = Group::new().add(title);
    let (left, pixels) = (x + LABELS, BARS / most);
    for (row, variant) in variants.iter().enumerate() {
        let top = y + TITLE + STEP * number(row);
        let middle = top + BAR / 2.0;
        group = group.add(
            text(variant_name(*variant), (left - 6.0, middle + 4.0), 11, INK)
                .set("text-anchor", "end"),
        );
        let Some(ratio) = measure.ratio(results, *variant, locality) else {
            group = group.add(text("not possible", (left + 4.0, middle + 4.0), 11, PALE));
            continue;
        };
        group = group.add(
            Rectangle::new()
                .set("x", left)
                .set("y", top)
                .set("width", round(ratio.median * pixels))
                .set("height", BAR)
                .set("rx", 2)
                .set("fill", colour(*variant)),
        );
        group = group.add(whisker(ratio, left, pixels, middle));
        let end = left + BARS + 6.0;
        let value = figure(results, (measure, locality), *variant, ratio);
        group = group.add(text(&value, (end, middle + 4.0), 11, INK));
    }
    let one = left + pixels;
    let bottom = y + TITLE + STEP * number(variants.len());
    group.add(line((one, y + TITLE - 4.0), (one, bottom), INK).set("stroke-dasharray", "3 3"))
}

/// A ratio, and the figure that it is of.
fn figure(
    results: &Results,
    (measure, locality): (Measure, Locality),
    variant: Variant,
    ratio: Spread,
) -> String {
    let median = measure
        .spread(results, variant, locality)
        .map_or(0.0, |spread| spread.median);
    if variant == Variant::Mesh {
        format!("{median:.0}")
    } else {
        format!("×{:.2}, {median:.0}", ratio.median)
    }
}

fn whisker(ratio: Spread, left: f64, pixels: f64, middle: f64) -> Group {
    let (least, most) = (left + ratio.least * pixels, left + ratio.most * pixels);
    let end = |x: f64| line((x, middle - 3.0), (x, middle + 3.0), INK);
    Group::new()
        .add(line((least, middle), (most, middle), INK))
        .add(end(least))
        .add(end(most))
}

fn text(words: &str, (x, y): (f64, f64), size: u32, colour: &str) -> Text {
    Text::new(words)
        .set("x", round(x))
        .set("y", round(y))
        .set("font-size", size)
        .set("fill", colour)
}

fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) -> Line {
    Line::new()
        .set("x1", round(x1))
        .set("y1", round(y1))
        .set("x2", round(x2))
        .set("y2", round(y2))
        .set("stroke", colour)
}

/// To a tenth of a pixel: the file is kept under version control.
fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn number(count: usize) -> f64 {
    count as f64
}
