//! Figures of several rounds, and what they are compared with: the stock mesh in the same round.

use super::results::{Locality, Results, Sample, Variant};

/// All variants, in the order of columns.
pub(super) const VARIANTS: [Variant; 5] = [
    Variant::Direct,
    Variant::Host,
    Variant::Mesh,
    Variant::Ebpf,
    Variant::Ipvs,
];

/// The name of a variant in tables and plots.
pub(super) const fn variant_name(variant: Variant) -> &'static str {
    match variant {
        Variant::Direct => "direct",
        Variant::Host => "mode=host",
        Variant::Mesh => "stock mesh",
        Variant::Ebpf => "swarmlb (eBPF)",
        Variant::Ipvs => "swarmlb (IPVS)",
    }
}

/// The name of a locality in tables and plots.
pub(super) const fn locality_name(locality: Locality) -> &'static str {
    match locality {
        Locality::Local => "the called node has the task",
        Locality::Remote => "another node has the task",
    }
}

/// The text with its first letter in upper case, for a heading.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// One figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Kept,
    New,
    Median,
    Tail,
    KeptCpu,
    NewCpu,
    Bulk,
}

impl Measure {
    pub(super) const ALL: [Self; 7] = [
        Self::Kept,
        Self::New,
        Self::Median,
        Self::Tail,
        Self::KeptCpu,
        Self::NewCpu,
        Self::Bulk,
    ];

    /// In words, with its unit, which is small enough for whole numbers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kept => "keep-alive requests/s",
            Self::New => "new connections/s",
            Self::Median => "latency p50, µs",
            Self::Tail => "latency p99, µs",
            Self::KeptCpu => "CPU ms per 1,000 keep-alive requests",
            Self::NewCpu => "CPU ms per 1,000 new connections",
            Self::Bulk => "bulk, MB/s",
        }
    }

    /// Is more of it better?
    pub(super) const fn more_is_better(self) -> bool {
        matches!(self, Self::Kept | Self::New | Self::Bulk)
    }

    const fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::Kept => sample.kept.per_second,
            Self::New => sample.new.per_second,
            Self::Median => sample.paced.p50 * 1e3,
            Self::Tail => sample.paced.p99 * 1e3,
            Self::KeptCpu => sample.kept.cpu_ms,
            Self::NewCpu => sample.new.cpu_ms,
            Self::Bulk => sample.bulk,
        }
    }

    /// Of all rounds of a variant; nothing where it was not measured.
    pub(super) fn spread(
        self,
        results: &Results,
        variant: Variant,
        locality: Locality,
    ) -> Option<Spread> {
        Spread::of(samples(results, variant, locality).map(|sample| self.of(sample)))
    }

    /// Of all rounds of a variant, each divided by the stock mesh's round; nothing where one was not measured.
    pub(super) fn ratio(
        self,
        results: &Results,
        variant: Variant,
        locality: Locality,
    ) -> Option<Spread> {
        let ratios = samples(results, variant, locality).filter_map(|sample| {
            let mesh =
                samples(results, Variant::Mesh, locality).find(|mesh| mesh.round == sample.round);
            Some(self.of(sample) / self.of(mesh?))
        });
        Spread::of(ratios.filter(|ratio| ratio.is_finite()))
    }
}

/// The samples of a variant and a locality, one for each round.
pub(super) fn samples(
    results: &Results,
    variant: Variant,
    locality: Locality,
) -> impl Iterator<Item = &Sample> {
    let all = results.samples.iter();
    all.filter(move |sample| sample.variant == variant && sample.locality == locality)
}

/// Median, least and most of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        // Of an even number the two in the middle, of an odd one the same twice.
        let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
        let upper = sorted.get(sorted.len() / 2)?;
        Some(Self {
            median: f64::midpoint(*lower, *upper),
            least: *sorted.first()?,
            most: *sorted.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 2.0, 9.0].into_iter()).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (3.0, 1.0, 9.0));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
