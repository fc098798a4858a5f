//! The public column (notice 市监质监〔2020〕51号 §2): what of the failed-products feed anybody may read, and what was corrected.
//!
//! Public is a result with a day of publication that stands: never a detection, never what is restricted, no case, no transfer, no
//! free text of an authority. A result that was shown and stands no longer disappears, and the correction is stated in its place.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    dates::CivilDate,
    ids::{Micros, Position, RecordId},
    life_cycle::{Standing, State, Step},
    names::region_in_name,
    records::{Content, Matter, Nonconformity, Party, Token as _},
};

/// What the column says of one failed item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicItem {
    /// Token, or the wording itself.
    pub item: String,
    /// Chinese name.
    pub name_zh: String,
    /// Value measured with its unit, as written.
    pub measured: String,
    /// Limit with its comparator and unit, as written.
    pub limit: String,
}

/// A result as the column shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicResult {
    /// Record id.
    pub record_id: String,
    /// Province of the producer: as stated, else by its code, else by its name; empty = not known.
    pub province: String,
    /// Day of publication.
    pub published_on: String,
    /// The producer, as the result names it.
    pub producer: String,
    /// Its credit code, where the result states one.
    pub credit_code: String,
    /// True when the producer is only what the label says (标称).
    pub nominal: bool,
    /// Name of the product.
    pub product: String,
    /// Brand.
    pub brand: String,
    /// Model.
    pub model: String,
    /// Specification.
    pub specification: String,
    /// Production date and batch, as written where they were, else as read.
    pub date_and_batch: String,
    /// Failed items.
    pub items: Vec<PublicItem>,
    /// Authority that organised the inspection.
    pub organiser: String,
    /// Laboratory.
    pub laboratory: String,
    /// What has become of it since, where that was announced: token of the state, empty = nothing.
    pub since: String,
    /// The same in Chinese.
    pub since_zh: String,
}

/// Why a result that was shown is shown no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionKind {
    /// Withdrawn by its publisher, or no longer published.
    Withdrawn,
    /// Overturned.
    Overturned,
    /// Not a product of the enterprise it named.
    Disowned,
}

impl CorrectionKind {
    /// In Chinese and in English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Withdrawn => ("该结果已撤回，不再有效", "this result was withdrawn and no longer stands"),
            Self::Overturned => ("经复检或复核，该结果已撤销，不再有效", "this result was overturned and no longer stands"),
            Self::Disowned => {
                ("经查明，该产品不是所标称企业的产品", "the product was found not to be one of the enterprise that was named")
            }
        }
    }
}

/// A correction of a result that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Why.
    pub kind: CorrectionKind,
    /// Day.
    pub corrected_on: String,
    /// Position of the record that corrected it.
    pub position: Position,
}

/// A step that a disposition in force took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    taken_up: Position,
    step: Option<u32>,
}

/// One nonconformity, as far as the column must know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnCase {
    begin: u32,
    steps: BTreeMap<String, Taken>,
    withdrawn: bool,
    /// As it is published now; `None` = it is not.
    result: Option<PublicResult>,
    /// As it was last shown, with the position of what was shown last of it.
    shown: Option<PublicResult>,
    changed_at: Micros,
    changed_position: Position,
    correction: Option<Correction>,
}

impl ColumnCase {
    /// As it is shown; `None` = it is not, or not any more.
    #[must_use]
    pub fn shown(&self) -> Option<&PublicResult> {
        if self.correction.is_none() { self.shown.as_ref() } else { None }
    }

    /// Its correction, with what was shown before.
    #[must_use]
    pub fn corrected(&self) -> Option<(&PublicResult, &Correction)> {
        self.shown.as_ref().zip(self.correction.as_ref())
    }

    /// When what the column says of it last changed.
    #[must_use]
    pub fn changed_at(&self) -> Micros {
        self.changed_at
    }

    /// Position of what changed it.
    #[must_use]
    pub fn changed_position(&self) -> Position {
        self.changed_position
    }

    fn state(&self) -> State {
        let begin = match Step::unpack(self.begin) {
            Some(Step::Begin(state)) => state,
            _ => State::Confirmed,
        };
        let mut standing = Standing::begin(begin);
        let mut steps: Vec<&Taken> = self.steps.values().collect();
        steps.sort_unstable_by_key(|taken| taken.taken_up);
        for taken in steps {
            if let Some(step) = taken.step.and_then(Step::unpack) {
                // The ledger admits no illegal step; one whose predecessors we may not see leaves the state as it is.
                let _ = standing.apply(&step);
            }
        }
        standing.state
    }

    /// Decides anew what is shown; true when that changed.
    fn decide(&mut self, position: Position, at: Micros) -> bool {
        let before = (self.shown.clone(), self.correction.clone());
        let state = self.state();
        let ended = match state {
            _ if self.withdrawn || self.result.is_none() || state == State::Detected => Some(CorrectionKind::Withdrawn),
            State::Overturned => Some(CorrectionKind::Overturned),
            State::Disowned => Some(CorrectionKind::Disowned),
            _ => None,
        };
        match (ended, &self.result) {
            (None, Some(result)) => {
                let (since, since_zh) = announced(state);
                let (since, since_zh) = (since.to_owned(), since_zh.to_owned());
                self.shown = Some(PublicResult { since, since_zh, ..result.clone() });
                self.correction = None;
            }
            (Some(kind), _) if self.shown.is_some() && self.correction.as_ref().is_none_or(|stands| stands.kind != kind) => {
                let corrected_on = CivilDate::of_instant(at).to_string();
                self.correction = Some(Correction { kind, corrected_on, position });
            }
            _ => {}
        }
        let changed = before != (self.shown.clone(), self.correction.clone());
        if changed {
            (self.changed_at, self.changed_position) = (at, position);
        }
        changed
    }
}

/// States that are announced to the public, besides the result itself.
fn announced(state: State) -> (&'static str, &'static str) {
    match state {
        State::Cleared | State::RecheckFailed | State::Suspended | State::Revoked => (state.token(), state.name_zh()),
        _ => ("", ""),
    }
}

/// The column: everything that was read of the feed, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    cases: BTreeMap<String, ColumnCase>,
}

impl Column {
    /// Nonconformities by record id.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &ColumnCase)> {
        self.cases.iter().map(|(id, case)| (id.as_str(), case))
    }

    /// One of them.
    #[must_use]
    pub fn case(&self, record_id: &str) -> Option<&ColumnCase> {
        self.cases.get(record_id)
    }

    /// Takes in a revision, in ledger order. Returns the nonconformity whose place in the column changed, with the provinces and months
    /// that it was and is shown under.
    pub fn take(
        &mut self,
        id: &RecordId,
        position: Position,
        committed_at: Micros,
        content: &Content,
    ) -> Option<(String, BTreeSet<(String, String)>)> {
        let target = match &content.matter {
            Matter::Nonconformity(matter) => {
                let case = self.cases.entry(id.to_string()).or_default();
                case.begin = Step::Begin(matter.initial_state).pack();
                case.withdrawn = content.withdrawal.is_some();
                case.result = result(id, matter);
                id.to_string()
            }
            Matter::Disposition(matter) => {
                let case = self.cases.entry(matter.nonconformity.to_string()).or_default();
                let step = Step::Change { state: matter.change, track: matter.track }.pack();
                let taken = case.steps.entry(id.to_string()).or_insert(Taken { taken_up: position, step: None });
                taken.step = content.withdrawal.is_none().then_some(step);
                matter.nonconformity.to_string()
            }
            _ => return None,
        };
        let case = self.cases.get_mut(&target)?;
        let place = |case: &ColumnCase| case.shown.as_ref().map(|shown| (shown.province.clone(), month(&shown.published_on)));
        let before = place(case);
        if !case.decide(position, committed_at) {
            return None;
        }
        let places = before.into_iter().chain(place(case)).collect();
        Some((target, places))
    }
}

/// `2020-05` of a day, `2020` of a year.
#[must_use]
pub fn month(day: &str) -> String {
    day.chars().take(7).collect()
}

fn result(id: &RecordId, matter: &Nonconformity) -> Option<PublicResult> {
    let published_on = matter.published_on?;
    let date_and_batch = match matter.date_and_batch_raw.trim() {
        "" => {
            let date = matter.produced_on.map(|date| date.to_string()).unwrap_or_default();
            format!("{date} {}", matter.batch).trim().to_owned()
        }
        raw => raw.to_owned(),
    };
    let items = matter.items.iter().filter(|item| item.failed).map(|item| PublicItem {
        item: item.item.token().to_owned(),
        name_zh: item.item.name_zh().to_owned(),
        measured: format!("{}{}", item.measured, item.unit),
        limit: if item.limit.is_empty() { String::new() } else { format!("{}{}{}", item.comparator, item.limit, item.unit) },
    });
    Some(PublicResult {
        record_id: id.to_string(),
        province: province(&matter.producer),
        published_on: published_on.to_string(),
        producer: matter.producer.name.clone(),
        credit_code: matter.producer.credit_code.map(|code| code.to_string()).unwrap_or_default(),
        nominal: matter.producer.credit_code.is_none() && matter.attribution.token() == "nominal",
        product: matter.product_name.clone(),
        brand: matter.brand.clone(),
        model: matter.model.clone(),
        specification: matter.specification.clone(),
        date_and_batch,
        items: items.collect(),
        organiser: matter.organiser.clone(),
        laboratory: matter.laboratory.clone(),
        since: String::new(),
        since_zh: String::new(),
    })
}

fn province(producer: &Party) -> String {
    let of_code = || producer.credit_code.and_then(|code| code.region()).filter(|region| region.is_known());
    let region = producer.region.or_else(of_code).or_else(|| region_in_name(&producer.name));
    region.map(|region| region.province().code()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::records::{Disposition, TrackChange, TrackKind, TrackScope, TrackStep, examples};

    const DAY: Micros = 1_590_000_000_000_000;

    fn id(text: &str) -> RecordId {
        RecordId::parse(text).expect("an id")
    }

    fn content(matter: Matter, withdrawal: Option<&str>) -> Content {
        Content { matter, withdrawal: withdrawal.map(str::to_owned) }
    }

    fn nonconformity(initial_state: State) -> Nonconformity {
        Nonconformity { initial_state, ..examples::nonconformity(5) }
    }

    fn take(column: &mut Column, record: &str, position: Position, content: &Content) -> bool {
        column.take(&id(record), position, DAY, content).is_some()
    }

    fn step(from: State, to: State) -> Content {
        content(Matter::Disposition(Box::new(examples::disposition(id("amr-330000/n"), from, to))), None)
    }

    fn begun(matter: Nonconformity) -> Column {
        let mut column = Column::default();
        take(&mut column, "amr-330000/n", 1, &content(Matter::Nonconformity(Box::new(matter)), None));
        column
    }

    fn shown(column: &Column) -> Option<&PublicResult> {
        column.case("amr-330000/n").and_then(ColumnCase::shown)
    }

    fn corrected(column: &Column) -> Option<CorrectionKind> {
        column.case("amr-330000/n")?.corrected().map(|(_, correction)| correction.kind)
    }

    #[test]
    fn only_a_published_result_that_stands_is_shown() {
        assert_eq!(shown(&begun(nonconformity(State::Confirmed))).map(|shown| shown.province.as_str()), Some("330000"));
        let unpublished = Nonconformity { published_on: None, ..nonconformity(State::Confirmed) };
        assert_eq!(shown(&begun(unpublished)), None);
        for state in [State::Detected, State::Overturned, State::Disowned] {
            let column = begun(nonconformity(state));
            assert_eq!((shown(&column), corrected(&column)), (None, None), "{state:?}: nothing was shown, nothing is corrected");
        }
    }

    #[test]
    fn what_is_overturned_disowned_or_withdrawn_disappears_and_is_corrected() {
        for (to, kind) in [(State::Overturned, CorrectionKind::Overturned), (State::Disowned, CorrectionKind::Disowned)] {
            let mut column = begun(nonconformity(State::Confirmed));
            assert!(take(&mut column, "amr-330000/d", 2, &step(State::Confirmed, to)));
            assert_eq!((shown(&column), corrected(&column)), (None, Some(kind)));
            // The step taken back, the result stands again.
            let back = Content { withdrawal: Some("录入有误".into()), ..step(State::Confirmed, to) };
            assert!(take(&mut column, "amr-330000/d", 3, &back));
            assert_eq!((shown(&column).is_some(), corrected(&column)), (true, None));
        }
        let mut column = begun(nonconformity(State::Confirmed));
        let withdrawn = content(Matter::Nonconformity(Box::new(nonconformity(State::Confirmed))), Some("内部理由"));
        assert!(take(&mut column, "amr-330000/n", 2, &withdrawn));
        assert_eq!((shown(&column), corrected(&column)), (None, Some(CorrectionKind::Withdrawn)));
        let said = serde_json::to_string(&column).expect("JSON");
        assert!(!said.contains("内部理由"), "an authority's own words are not public");
    }

    #[test]
    fn cases_and_measures_change_nothing_but_announced_states_do() {
        let mut column = begun(nonconformity(State::Confirmed));
        let case = Disposition {
            change: None,
            track: Some(TrackChange { track: TrackKind::Case, step: TrackStep::Open, scope: TrackScope::Batch }),
            case_detail: "机密".into(),
            ..examples::disposition(id("amr-330000/n"), State::Confirmed, State::Ordered)
        };
        assert!(!take(&mut column, "amr-330000/c", 2, &content(Matter::Disposition(Box::new(case)), None)));
        assert!(!serde_json::to_string(&column).expect("JSON").contains("机密"));
        assert!(!take(&mut column, "amr-330000/d1", 3, &step(State::Confirmed, State::Ordered)));
        assert!(!take(&mut column, "amr-330000/d2", 4, &step(State::Ordered, State::Rechecking)));
        assert!(take(&mut column, "amr-330000/d3", 5, &step(State::Rechecking, State::Cleared)));
        assert_eq!(shown(&column).map(|shown| shown.since.as_str()), Some("cleared"));
    }

    #[test]
    fn the_column_survives_its_json() {
        let mut column = begun(nonconformity(State::Confirmed));
        take(&mut column, "amr-330000/d", 2, &step(State::Confirmed, State::Overturned));
        let text = serde_json::to_string(&column).expect("JSON");
        assert_eq!(serde_json::from_str::<Column>(&text).expect("a column"), column);
    }
}
