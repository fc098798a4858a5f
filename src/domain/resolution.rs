//! Who a producer is that a record names without a code: candidates of the survey register for a person to decide between, and what
//! a decision changes (domain.md §7).
//!
//! Invariant: a candidate is a reason to ask, never an answer. Only a name that fits exactly one enterprise is resolved without a
//! person (see the ledger's `Register`), and a decision is a record of its own: the nonconformity stays as its publisher wrote it.

use std::collections::BTreeMap;

use super::{
    credit_code::{CreditCode, LegacyIdentifier},
    draft::StoredRecord,
    ids::{Position, RecordId},
    names::{Similarity, compare, is_branch, region_in_name, strict_key},
    records::{Party, ProducerDecision, tokens},
    regions::Region,
};

tokens! {
    /// Why an enterprise may be the one named; the strongest first.
    pub enum Ground {
        SameName = "same_name", "名称相同";
        SameForm = "same_form", "名称相同，组织形式写法不同";
        FormerName = "former_name", "曾用名相同";
        Branch = "branch", "总公司与分公司";
        SameCore = "same_core", "字号相同";
    }
}

/// A survey row in force, with the names its record bore before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyRow {
    /// The survey record.
    pub record_id: RecordId,
    /// Position of the revision in force.
    pub position: Position,
    /// The enterprise.
    pub credit_code: CreditCode,
    /// Its name as filed.
    pub name: String,
    /// Its region.
    pub region: Option<Region>,
    /// Strict keys of the names of earlier revisions.
    pub former_name_keys: Vec<String>,
}

/// An enterprise that may be the one named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameCandidate {
    /// Its code.
    pub credit_code: CreditCode,
    /// Its name as filed.
    pub name: String,
    /// Its region.
    pub region: Option<Region>,
    /// Why.
    pub ground: Ground,
    /// The region that the record states contradicts it.
    pub region_contradicts: bool,
    /// The survey row filed last.
    pub survey_record_id: RecordId,
    /// Its position.
    pub survey_position: Position,
}

/// The enterprises that a producer named without a code may be, the likeliest first, each once. One whose organisation code is
/// known to be another is never the same, whatever the names.
#[must_use]
pub fn candidates(producer: &Party, rows: &[SurveyRow]) -> Vec<NameCandidate> {
    let stated = producer.region.or_else(|| region_in_name(&producer.name));
    let mut best: BTreeMap<CreditCode, NameCandidate> = BTreeMap::new();
    for row in rows.iter().filter(|row| !is_another(producer, row.credit_code)) {
        let Some(ground) = ground(&producer.name, row) else { continue };
        let candidate = NameCandidate {
            credit_code: row.credit_code,
            name: row.name.clone(),
            region: row.region,
            ground,
            region_contradicts: stated.zip(row.region).is_some_and(|(stated, filed)| stated.contradicts(filed)),
            survey_record_id: row.record_id.clone(),
            survey_position: row.position,
        };
        let rank = |one: &NameCandidate| (one.ground, one.region_contradicts, std::cmp::Reverse(one.survey_position));
        match best.get(&row.credit_code) {
            Some(known) if rank(known) <= rank(&candidate) => {}
            _ => drop(best.insert(row.credit_code, candidate)),
        }
    }
    let mut found: Vec<NameCandidate> = best.into_values().collect();
    found.sort_by_key(|one| (one.region_contradicts, one.ground, one.credit_code));
    found
}

fn is_another(producer: &Party, code: CreditCode) -> bool {
    matches!(&producer.legacy_identifier, Some(legacy @ LegacyIdentifier::OrganisationCode(_)) if !legacy.is_part_of(&code))
}

fn ground(name: &str, row: &SurveyRow) -> Option<Ground> {
    match compare(name, &row.name) {
        Similarity::Same if strict_key(name) == strict_key(&row.name) => Some(Ground::SameName),
        Similarity::Same => Some(Ground::SameForm),
        similarity => {
            let was = row.former_name_keys.iter().any(|former| compare(name, former) == Similarity::Same);
            match similarity {
                _ if was => Some(Ground::FormerName),
                Similarity::Candidate if is_branch(name) != is_branch(&row.name) => Some(Ground::Branch),
                Similarity::Candidate => Some(Ground::SameCore),
                _ => None,
            }
        }
    }
}

/// The code of a nonconformity's producer: the one its publisher stated; else the one decided on, if the decision is about the name
/// that stands; else the one its name was resolved to at publish.
#[must_use]
pub fn producer_code(nonconformity: &StoredRecord, decision: Option<&ProducerDecision>) -> Option<CreditCode> {
    let attributes = &nonconformity.attributes;
    let is_stated = attributes.credit_code.is_some() && nonconformity.resolution.is_none();
    match decision {
        Some(decision) if !is_stated && decision.is_about(&attributes.name_key) => decision.credit_code,
        _ => attributes.credit_code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u64, name: &str) -> SurveyRow {
        SurveyRow {
            record_id: RecordId::parse(&format!("amr-330000/{n}")).expect("an id"),
            position: n,
            credit_code: CreditCode::synthetic(330_600, u32::try_from(n).expect("small")),
            name: name.to_owned(),
            region: Region::parse("330600"),
            former_name_keys: Vec::new(),
        }
    }

    fn named(name: &str) -> Party {
        Party { name: name.to_owned(), ..Party::default() }
    }

    fn grounds(producer: &Party, rows: &[SurveyRow]) -> Vec<(u64, Ground, bool)> {
        candidates(producer, rows).iter().map(|one| (one.survey_position, one.ground, one.region_contradicts)).collect()
    }

    #[test]
    fn candidates_come_with_their_ground_the_likeliest_first() {
        let mut renamed = row(5, "宁康防护用品有限公司");
        renamed.former_name_keys = vec!["安泰防护用品有限公司".into()];
        let rows = [
            row(1, "绍兴安泰防护用品有限公司"),
            row(2, "安泰防护用品有限责任公司"),
            row(3, "安泰防护用品股份有限公司"),
            row(4, "安泰防护用品有限公司绍兴分公司"),
            renamed,
            row(6, "别家防护用品有限公司"),
            row(7, "安泰防护用品有限公司"),
        ];
        assert_eq!(
            grounds(&named("安泰防护用品有限公司"), &rows),
            [
                (7, Ground::SameName, false),
                (2, Ground::SameForm, false),
                (5, Ground::FormerName, false),
                (4, Ground::Branch, false),
                (1, Ground::SameCore, false),
            ]
        );
    }

    #[test]
    fn a_contradicting_region_is_said_and_goes_last() {
        let producer = Party { region: Region::parse("440300"), ..named("安泰防护用品有限公司") };
        let mut here = row(2, "安泰防护用品有限责任公司");
        here.region = Region::parse("440000");
        assert_eq!(
            grounds(&producer, &[row(1, "安泰防护用品有限公司"), here]),
            [(2, Ground::SameForm, false), (1, Ground::SameName, true)]
        );
        assert_eq!(grounds(&named("深圳安泰防护用品有限公司"), &[row(1, "绍兴安泰防护用品有限公司")]), []);
    }

    #[test]
    fn another_organisation_code_is_never_the_same() {
        let (one, other) = (row(1, "安泰防护用品有限公司"), row(2, "安泰防护用品有限公司"));
        let own = one.credit_code.organisation_code().to_owned();
        let producer = Party { legacy_identifier: LegacyIdentifier::parse(&own), ..named("安泰防护用品有限公司") };
        assert!(producer.legacy_identifier.is_some());
        assert_eq!(grounds(&producer, &[one, other]), [(1, Ground::SameName, false)]);
    }

    #[test]
    fn rows_of_one_enterprise_are_one_candidate_by_the_best_of_them() {
        let mut again = row(9, "安泰防护用品有限公司");
        again.credit_code = row(1, "").credit_code;
        assert_eq!(
            grounds(&named("安泰防护用品有限公司"), &[row(1, "绍兴安泰防护用品有限公司"), again]),
            [(9, Ground::SameName, false)]
        );
    }
}
