//! Bars for what was found: each way's figure as a multiple of the stock mesh's.

use anyhow::{Result, ensure};
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text};

use super::results::{Place, Results, Way};
use super::spread::{Measure, Spread, WAYS, capital, place_name, samples, way_name};

/// What is drawn; the rest is in the tables.
const MEASURES: [Measure; 5] = [
    Measure::Kept,
    Measure::New,
    Measure::Bulk,
    Measure::Tail,
    Measure::NewCpu,
];
const PLACES: [Place; 2] = [Place::Local, Place::Remote];

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

const fn colour(way: Way) -> &'static str {
    match way {
        Way::Direct => "#9ca3af",
        Way::Host => "#c4b5a5",
        Way::Mesh => "#4b5563",
        Way::Ebpf => "#2563eb",
        Way::Ipvs => "#ea580c",
    }
}

/// The whole picture.
pub(super) fn svg(results: &Results) -> Result<String> {
    let ways: Vec<Way> = WAYS
        .into_iter()
        .filter(|way| samples(results, *way, Place::Local).next().is_some())
        .collect();
    ensure!(ways.contains(&Way::Mesh), "the stock mesh was not measured");
    let panel = TITLE + STEP * number(ways.len()) + GAP;
    let width = 2.0 * MARGIN + COLUMN * number(PLACES.len());
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
    for (column, place) in PLACES.into_iter().enumerate() {
        let at = (MARGIN + COLUMN * number(column), 66.0);
        document = document.add(text(&capital(place_name(place)), at, 13, INK));
    }
    for (row, measure) in MEASURES.into_iter().enumerate() {
        // The same scale for both places.
        let most = scale(results, measure, &ways);
        for (column, place) in PLACES.into_iter().enumerate() {
            let at = (MARGIN + COLUMN * number(column), HEAD + panel * number(row));
            document = document.add(bars(results, (measure, place), &ways, most, at));
        }
    }
    Ok(format!("{document}\n"))
}

/// The largest ratio that is drawn of a measure, and some room.
fn scale(results: &Results, measure: Measure, ways: &[Way]) -> f64 {
    let ratios = PLACES.into_iter().flat_map(|place| {
        ways.iter()
            .filter_map(move |way| measure.ratio(results, *way, place))
    });
    ratios.map(|ratio| ratio.most).fold(1.0, f64::max) * 1.05
}

/// One panel: a measure in a place.
fn bars(
    results: &Results,
    (measure, place): (Measure, Place),
    ways: &[Way],
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
    for (row, way) in ways.iter().enumerate() {
        let top = y + TITLE + STEP * number(row);
        let middle = top + BAR / 2.0;
        group = group.add(
            text(way_name(*way), (left - 6.0, middle + 4.0), 11, INK).set("text-anchor", "end"),
        );
        let Some(ratio) = measure.ratio(results, *way, place) else {
            group = group.add(text("no such way", (left + 4.0, middle + 4.0), 11, PALE));
            continue;
        };
        group = group.add(
            Rectangle::new()
                .set("x", left)
                .set("y", top)
                .set("width", round(ratio.median * pixels))
                .set("height", BAR)
                .set("rx", 2)
                .set("fill", colour(*way)),
        );
        group = group.add(whisker(ratio, left, pixels, middle));
        let end = left + BARS + 6.0;
        let value = figure(results, (measure, place), *way, ratio);
        group = group.add(text(&value, (end, middle + 4.0), 11, INK));
    }
    let one = left + pixels;
    let bottom = y + TITLE + STEP * number(ways.len());
    group.add(line((one, y + TITLE - 4.0), (one, bottom), INK).set("stroke-dasharray", "3 3"))
}

/// A ratio, and the figure that it is of.
fn figure(
    results: &Results,
    (measure, place): (Measure, Place),
    way: Way,
    ratio: Spread,
) -> String {
    let median = measure
        .spread(results, way, place)
        .map_or(0.0, |spread| spread.median);
    if way == Way::Mesh {
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
