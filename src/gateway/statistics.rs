//! Statistics: sums that are kept as the ledger grows, told with small cells withheld from whoever may not see single unpublished results.

use std::collections::BTreeMap;

use super::{Caller, Refused, disclosure::Disclosure, docket::DocketDesk};
use crate::{
    domain::{
        evidence::ActKind,
        feeds::{Feed, SectionName},
        grants::{Action, Permit},
        ids::Position,
        statistics::{SMALLEST_SHOWN, Sheet},
    },
    store::docket::DutyCount,
};

/// A number, unless it is too small to be told.
pub type Told = Option<i64>;

/// What was sampled and failed, by province, kind and field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplingCell {
    /// Province, kind, field.
    pub of: [String; 3],
    /// Batches sampled.
    pub sampled: Told,
    /// Batches that failed.
    pub failed: Told,
}

/// What of the surveyed producers was sampled, by province and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageCell {
    /// Province, kind.
    pub of: [String; 2],
    /// Mask makers surveyed.
    pub surveyed: Told,
    /// Producers sampled.
    pub sampled: Told,
}

/// All statistics that a caller may see.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// By province, kind, field.
    pub sampling: Vec<SamplingCell>,
    /// By province, kind; empty without the right to the survey.
    pub coverage: Vec<CoverageCell>,
    /// What came of re-tests and rechecks.
    pub outcomes: Vec<(String, Told)>,
    /// Spans between days, how many were measured, and the days in all.
    pub spans: Vec<(String, i64, i64)>,
    /// What waits for somebody.
    pub duties: Vec<DutyCount>,
    /// The ledger is taken in up to here.
    pub position: Position,
    /// Evidence entry of this disclosure.
    pub evidence_index: u64,
}

type Cells = BTreeMap<(Sheet, String), i64>;

impl DocketDesk {
    /// The statistics as the caller may see them.
    ///
    /// # Errors
    /// Without the right to read failed products, or when the disclosure cannot be recorded.
    pub async fn statistics(&self, caller: &Caller) -> Result<Statistics, Refused> {
        let rights = self.reader.rights_on_all(caller, Action::Read, &[Feed::FailedProducts])?;
        let survey = self.reader.rights(caller, Action::Read, &[Feed::Enterprises]).is_ok();
        let single = rights.on(Feed::FailedProducts).is_some_and(|permit: &Permit| permit.shows(SectionName::Restricted));
        let position = self.followed().await?;
        let tallies = self.reader.store.docket().tallies().await?;
        let cells: Cells = tallies.into_iter().map(|tally| ((tally.sheet, tally.cell), tally.number)).collect();
        let told = |number: i64| (single || number == 0 || number >= SMALLEST_SHOWN).then_some(number);
        let disclosure =
            Disclosure { feeds: rights.feeds(), counts: vec![("statistics", 1), ("as_of", position)], ..Disclosure::default() };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        Ok(Statistics {
            sampling: sampling(&cells, told),
            coverage: if survey { coverage(&cells, told) } else { Vec::new() },
            outcomes: of(&cells, Sheet::Outcome).map(|(cell, number)| (cell.to_owned(), told(number))).collect(),
            spans: of(&cells, Sheet::Measured)
                .filter(|(_, count)| *count > 0 && told(*count).is_some())
                .map(|(cell, count)| (cell.to_owned(), count, at(&cells, Sheet::Days, cell)))
                .collect(),
            duties: self.counts().await?,
            position,
            evidence_index: recorded.evidence_index,
        })
    }
}

fn of(cells: &Cells, sheet: Sheet) -> impl Iterator<Item = (&str, i64)> {
    cells.iter().filter(move |((of, _), _)| *of == sheet).map(|((_, cell), number)| (cell.as_str(), *number))
}

fn at(cells: &Cells, sheet: Sheet, cell: &str) -> i64 {
    cells.get(&(sheet, cell.to_owned())).copied().unwrap_or_default()
}

fn parts<const N: usize>(cell: &str) -> [String; N] {
    let mut parts = cell.split('|').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn sampling(cells: &Cells, told: impl Fn(i64) -> Told) -> Vec<SamplingCell> {
    let cell = |(cell, sampled): (&str, i64)| SamplingCell {
        of: parts(cell),
        sampled: told(sampled),
        failed: told(at(cells, Sheet::Failed, cell)),
    };
    of(cells, Sheet::Sampled).filter(|(_, sampled)| *sampled > 0).map(cell).collect()
}

/// Producers may be sampled in several fields: their numbers are added, so that this is a bound from above.
fn coverage(cells: &Cells, told: impl Fn(i64) -> Told) -> Vec<CoverageCell> {
    let mut found: BTreeMap<[String; 2], (i64, i64)> = BTreeMap::new();
    for (cell, surveyed) in of(cells, Sheet::Surveyed) {
        found.entry(parts(cell)).or_default().0 += surveyed;
    }
    for (cell, producers) in of(cells, Sheet::Producers) {
        found.entry(parts(cell)).or_default().1 += producers;
    }
    let cell = |(of, (surveyed, sampled))| CoverageCell { of, surveyed: told(surveyed), sampled: told(sampled) };
    found.into_iter().filter(|(_, numbers)| *numbers != (0, 0)).map(cell).collect()
}
