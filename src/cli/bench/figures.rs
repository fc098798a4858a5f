//! What was read off, and what several runs make of it.

use std::{collections::BTreeMap, ops::AddAssign, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Scenario;
use crate::cli::Failure;

/// Longest latency told apart from longer ones: ten minutes, microseconds.
const LONGEST_US: u64 = 600_000_000;

/// Time, and the gateway's processor time, that something took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// Time.
    pub(super) time: Duration,
    /// Microseconds of the gateway's processor time; `None` = not seen.
    pub(super) processor_us: Option<f64>,
    /// Most memory that the gateway held meanwhile, MiB; `None` = not seen.
    pub(super) peak_mib: Option<f64>,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        let both = |one: Option<f64>, two: Option<f64>, join: fn(f64, f64) -> f64| match (one, two) {
            (None, any) | (any, None) => any,
            (Some(one), Some(two)) => Some(join(one, two)),
        };
        self.processor_us = both(self.processor_us, other.processor_us, |one, two| one + two);
        self.peak_mib = both(self.peak_mib, other.peak_mib, f64::max);
    }
}

/// One line, read once.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    what: String,
    stored: u64,
    count: u64,
    seconds: f64,
    figures: Vec<(&'static str, f64)>,
}

impl Reading {
    /// So many in that time, with `stored` records in the ledger: gives the rate and the gateway's processor time for each.
    pub(super) fn new(what: impl Into<String>, stored: u64, count: u64, spent: Spent) -> Self {
        let seconds = spent.time.as_secs_f64();
        let mut figures = vec![("per_second", count as f64 / seconds.max(1e-9))];
        if let Some(processor_us) = spent.processor_us.filter(|_| count > 0) {
            figures.push(("gateway_cpu_us_each", processor_us / count as f64));
            figures.push(("gateway_cpu_percent", processor_us / seconds.max(1e-9) / 10_000.0));
        }
        figures.extend(spent.peak_mib.map(|peak_mib| ("gateway_peak_mib", peak_mib)));
        Self { what: what.into(), stored, count, seconds, figures }
    }

    /// A line of figures that are no rate.
    pub(super) fn of(what: impl Into<String>, stored: u64, count: u64) -> Self {
        Self { what: what.into(), stored, count, seconds: 0.0, figures: Vec::new() }
    }

    /// Adds a figure; its name ends with its unit.
    pub(super) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.push((name, value));
        self
    }

    /// Adds a figure that may not have been seen.
    pub(super) fn with_some(self, name: &'static str, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the percentiles of a latency, microseconds; none where nothing was measured.
    pub(super) fn with_latency(mut self, histogram: &Histogram<u64>) -> Self {
        if !histogram.is_empty() {
            let at = |quantile| histogram.value_at_quantile(quantile) as f64;
            self.figures.extend([
                ("p50_us", at(0.5)),
                ("p90_us", at(0.9)),
                ("p99_us", at(0.99)),
                ("p99_9_us", at(0.999)),
                ("max_us", histogram.max() as f64),
            ]);
        }
        self
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let figures: Vec<_> = self.figures.iter().map(|(name, value)| format!("{name} {}", shown(*value))).collect();
        format!("{}: {} · {}", self.what, self.count, figures.join(", "))
    }
}

/// A number with as many digits as it has meaning.
pub(super) fn shown(value: f64) -> String {
    let digits = if value >= 100.0 || value == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// An empty histogram of microseconds, three digits.
pub(super) fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).map_err(|error| std::io::Error::other(error.to_string()).into())
}

/// Enters a duration.
pub(super) fn enter(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// What several runs gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let (last, middle) = (values.len().saturating_sub(1), values.len() / 2);
        let median =
            if values.len().is_multiple_of(2) { f64::midpoint(at(middle.saturating_sub(1)), at(middle)) } else { at(middle) };
        Self { median, min: at(0), max: at(last) }
    }
}

/// One line over all runs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measure {
    pub(super) scenario: &'static str,
    pub(super) what: String,
    /// Runs.
    pub(super) runs: usize,
    /// Records in the ledger when the first run ended.
    pub(super) records_stored: u64,
    /// How many, in the first run.
    pub(super) count: u64,
    /// How long, in the first run.
    pub(super) seconds: f64,
    /// By name; the name ends with the unit.
    pub(super) figures: BTreeMap<&'static str, Spread>,
}

/// The readings of all runs.
#[derive(Debug, Default)]
pub(super) struct Measures(Vec<(Scenario, Vec<Reading>)>);

impl Measures {
    /// Adds those of a run.
    pub(super) fn add(&mut self, scenario: Scenario, readings: Vec<Reading>) {
        for reading in readings {
            let same = |(of, with): &&mut (Scenario, Vec<Reading>)| {
                *of == scenario && with.first().is_some_and(|first| first.what == reading.what)
            };
            match self.0.iter_mut().find(same) {
                Some((_, with)) => with.push(reading),
                None => self.0.push((scenario, vec![reading])),
            }
        }
    }

    /// One line each, in the order in which they came.
    pub(super) fn summed_up(self) -> Vec<Measure> {
        self.0.into_iter().filter_map(|(scenario, readings)| sum_up(scenario, &readings)).collect()
    }
}

fn sum_up(scenario: Scenario, readings: &[Reading]) -> Option<Measure> {
    let first = readings.first()?;
    let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (name, value) in readings.iter().flat_map(|reading| &reading.figures) {
        values.entry(name).or_default().push(*value);
    }
    Some(Measure {
        scenario: scenario.name(),
        what: first.what.clone(),
        runs: readings.len(),
        records_stored: first.stored,
        count: first.count,
        seconds: first.seconds,
        figures: values.into_iter().map(|(name, values)| (name, Spread::of(values))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_summed_up_by_line() {
        let mut measures = Measures::default();
        for (count, latency) in [(300, 5.0), (100, 9.0), (200, 7.0)] {
            let spent = Spent { time: Duration::from_secs(1), processor_us: Some(600.0), peak_mib: Some(latency) };
            let reading = Reading::new("singles", 7, count, spent).with("p50_us", latency);
            measures.add(Scenario::Publish, vec![reading, Reading::of("start-up", 7, 1).with("start_up_ms", latency)]);
        }
        let summed = measures.summed_up();
        assert_eq!(summed.iter().map(|measure| measure.what.as_str()).collect::<Vec<_>>(), ["singles", "start-up"]);
        assert_eq!(summed[0].figures["per_second"], Spread { median: 200.0, min: 100.0, max: 300.0 });
        assert_eq!(summed[0].figures["gateway_cpu_us_each"], Spread { median: 3.0, min: 2.0, max: 6.0 });
        assert_eq!(summed[0].figures["gateway_peak_mib"].max.to_bits(), 9.0_f64.to_bits());
        assert_eq!(summed[1].figures["start_up_ms"].median.to_bits(), 7.0_f64.to_bits());
        assert_eq!(Spread::of(vec![4.0, 1.0]).median.to_bits(), 2.5_f64.to_bits());
    }

    #[test]
    fn percentiles_of_nothing_are_not_told() {
        let mut latency = histogram().expect("bounds");
        assert!(Reading::of("x", 0, 0).with_latency(&latency).figures.is_empty());
        enter(&mut latency, Duration::from_millis(3));
        let reading = Reading::of("x", 0, 1).with_latency(&latency);
        assert!(reading.figures.iter().all(|(_, value)| (2_999.0..=3_001.0).contains(value)), "{reading:?}");
    }
}
