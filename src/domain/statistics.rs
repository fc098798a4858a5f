//! Numbers for the task the notice sets: what was sampled of what is produced, what failed, how long each step took.
//!
//! Each record adds to cells, and a later revision of it takes back what the earlier one added; so the cells are sums that are kept
//! as the ledger grows, and nothing is counted when somebody asks.

use super::{
    dates::{CivilDate, Precision},
    life_cycle::State,
    products::ProductKind,
    records::{Content, Matter, Role, SamplingField, Token as _},
    regions::Region,
};

/// Cells smaller than this are withheld from whoever may not see single unpublished results.
pub const SMALLEST_SHOWN: i64 = 5;

/// What is counted. Append-only: stores keep the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sheet {
    /// Batches sampled, by province, kind and field.
    Sampled,
    /// Batches that failed.
    Failed,
    /// Producers sampled.
    Producers,
    /// Mask makers surveyed, by province and kind.
    Surveyed,
    /// What came of re-tests and rechecks.
    Outcome,
    /// Days between steps: how many were measured.
    Measured,
    /// Days between steps: their sum.
    Days,
}

impl Sheet {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Sampled, Self::Failed, Self::Producers, Self::Surveyed, Self::Outcome, Self::Measured, Self::Days];

    /// Token in stores.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Failed => "failed",
            Self::Producers => "producers",
            Self::Surveyed => "surveyed",
            Self::Outcome => "outcome",
            Self::Measured => "measured",
            Self::Days => "days",
        }
    }

    /// The sheet of that token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sheet| sheet.token() == token)
    }
}

/// A number to add to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Which sheet.
    pub sheet: Sheet,
    /// The cell: its parts, separated by `|`.
    pub cell: String,
    /// The number; negative takes back.
    pub number: i64,
}

/// What a revision adds; nothing when it withdraws the record.
#[must_use]
pub fn contributions(content: &Content) -> Vec<Tally> {
    if content.withdrawal.is_some() {
        return Vec::new();
    }
    match &content.matter {
        Matter::SamplingSummary(matter) => {
            let cell = cell(Some(matter.region), &matter.product_kind, Some(matter.field));
            let add = |sheet, number: u64| Tally { sheet, cell: cell.clone(), number: i64::try_from(number).unwrap_or(i64::MAX) };
            let mut tallies = vec![add(Sheet::Sampled, matter.sampled), add(Sheet::Failed, matter.failed)];
            tallies.extend(matter.producers.map(|producers| add(Sheet::Producers, producers)));
            tallies
        }
        Matter::EnterpriseSurvey(matter) if matter.roles.contains(&Role::MaskMaker) => {
            let region = matter.enterprise.region.or_else(|| matter.enterprise.credit_code.and_then(|code| code.region()));
            let one = |kind| Tally { sheet: Sheet::Surveyed, cell: cell(region, kind, None), number: 1 };
            matter.product_kinds.iter().map(one).collect()
        }
        Matter::Nonconformity(matter) => [
            ("sampling-report", matter.sampled_on, matter.reported_on),
            ("report-notice", matter.reported_on, matter.notified_on),
            ("report-publication", matter.reported_on, matter.published_on),
        ]
        .into_iter()
        .flat_map(|(span, from, to)| days(span, from, to))
        .collect(),
        Matter::Disposition(matter) => {
            let outcome = match matter.change {
                Some((State::Disputed, State::Overturned)) => "re-test|overturned",
                Some((State::Disputed, State::Confirmed)) => "re-test|confirmed",
                Some((State::Rechecking, State::Cleared)) => "recheck|cleared",
                Some((State::Rechecking, State::RecheckFailed)) => "recheck|recheck_failed",
                _ => return Vec::new(),
            };
            vec![Tally { sheet: Sheet::Outcome, cell: outcome.to_owned(), number: 1 }]
        }
        _ => Vec::new(),
    }
}

/// What a revision changes, given what the one before it said.
#[must_use]
pub fn change(before: Option<&Content>, now: &Content) -> Vec<Tally> {
    let taken_back = before.map(contributions).unwrap_or_default().into_iter();
    let taken_back = taken_back.map(|tally| Tally { number: -tally.number, ..tally });
    contributions(now).into_iter().chain(taken_back).collect()
}

fn cell(region: Option<Region>, kind: &ProductKind, field: Option<SamplingField>) -> String {
    let region = region.map(|region| region.province().code()).unwrap_or_default();
    // A wording outside the list of kinds has no cell of its own.
    let kind = if kind.is_known() { kind.token() } else { "other" };
    match field {
        Some(field) => format!("{region}|{kind}|{}", field.token()),
        None => format!("{region}|{kind}"),
    }
}

/// Only days that are known to the day, in their order.
fn days(span: &str, from: Option<CivilDate>, to: Option<CivilDate>) -> Vec<Tally> {
    let to_the_day = |date: Option<CivilDate>| date.filter(|date| date.precision() == Precision::Day);
    let (Some(from), Some(to)) = (to_the_day(from), to_the_day(to)) else { return Vec::new() };
    let days = (to.first_day() - from.first_day()).whole_days();
    if days < 0 {
        return Vec::new();
    }
    vec![
        Tally { sheet: Sheet::Measured, cell: span.to_owned(), number: 1 },
        Tally { sheet: Sheet::Days, cell: span.to_owned(), number: days },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::records::{SamplingSummary, examples};

    fn summary(sampled: u64, failed: u64) -> Content {
        let matter = SamplingSummary {
            campaign: "专项监督抽查".into(),
            region: Region::parse("330600").expect("a region"),
            product_kind: ProductKind::DailyProtective,
            field: SamplingField::Market,
            sampled,
            failed,
            producers: None,
            complete_to: CivilDate::day(2020, 5, 20).expect("a day"),
        };
        Content { matter: Matter::SamplingSummary(Box::new(matter)), withdrawal: None }
    }

    fn numbers(tallies: &[Tally], sheet: Sheet) -> Vec<(&str, i64)> {
        tallies.iter().filter(|tally| tally.sheet == sheet).map(|tally| (tally.cell.as_str(), tally.number)).collect()
    }

    #[test]
    fn a_corrected_summary_takes_back_what_it_said() {
        let tallies = change(Some(&summary(100, 9)), &summary(90, 10));
        let cell = "330000|daily_protective|market";
        assert_eq!(numbers(&tallies, Sheet::Sampled), [(cell, 90), (cell, -100)]);
        assert_eq!(numbers(&tallies, Sheet::Failed), [(cell, 10), (cell, -9)]);
        let withdrawn = Content { withdrawal: Some("重复".into()), ..summary(90, 10) };
        assert_eq!(numbers(&change(Some(&summary(90, 10)), &withdrawn), Sheet::Sampled), [(cell, -90)]);
    }

    #[test]
    fn a_survey_counts_once_for_each_kind_and_only_mask_makers() {
        let survey = examples::survey(0);
        let content = |survey| Content { matter: Matter::EnterpriseSurvey(Box::new(survey)), withdrawal: None };
        let kinds = survey.product_kinds.len();
        assert_eq!(contributions(&content(survey.clone())).len(), kinds);
        let supplier = crate::domain::records::EnterpriseSurvey { roles: vec![Role::RawMaterialMaker], ..survey };
        assert_eq!(contributions(&content(supplier)), []);
    }

    #[test]
    fn times_are_counted_where_both_days_are_known_and_in_order() {
        let matter = examples::nonconformity(0);
        let content = |matter| Content { matter: Matter::Nonconformity(Box::new(matter)), withdrawal: None };
        let tallies = contributions(&content(matter.clone()));
        assert_eq!(numbers(&tallies, Sheet::Days), [("sampling-report", 7), ("report-notice", 1), ("report-publication", 23)]);
        let unknown = crate::domain::records::Nonconformity { reported_on: CivilDate::month(2020, 4), ..matter };
        assert_eq!(contributions(&content(unknown)), []);
    }
}
