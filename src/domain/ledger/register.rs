//! The survey register as a finder of names: a producer without a code is resolved when its name fits exactly one
//! enterprise (domain.md §7). An unresolved name stays a name; nobody guesses.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{
    attributes::SubjectKey,
    credit_code::CreditCode,
    draft::{MatchedKey, Resolution},
    ids::{Position, RecordId},
    names,
    records::Party,
    regions::Region,
};

/// A survey row in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterEntry {
    /// The survey record.
    pub record_id: RecordId,
    /// Position of the revision in force.
    pub position: Position,
    /// The enterprise.
    pub credit_code: CreditCode,
    /// Strict key of its name.
    pub name_key: String,
    /// Its region.
    pub region: Option<Region>,
}

/// The keys of survey rows that may resolve a name: strict and form.
#[must_use]
pub fn register_keys(name: &str) -> [SubjectKey; 2] {
    [SubjectKey::of("survey-name", &names::strict_key(name)), SubjectKey::of("survey-form", &names::form_key(name))]
}

/// Survey rows by name. One laid over another shows what a group added before it is written.
#[derive(Debug, Default, Clone)]
pub struct Register {
    rows: HashMap<RecordId, Option<RegisterEntry>>,
    by_key: HashMap<SubjectKey, Vec<RecordId>>,
}

impl Register {
    /// Adds a row in force, or replaces an earlier revision of it.
    pub fn put(&mut self, entry: RegisterEntry) {
        for key in register_keys(&entry.name_key) {
            let ids = self.by_key.entry(key).or_default();
            if !ids.contains(&entry.record_id) {
                ids.push(entry.record_id.clone());
            }
        }
        self.rows.insert(entry.record_id.clone(), Some(entry));
    }

    /// Notes that a row is no longer in force, wherever it was known from.
    pub fn remove(&mut self, record_id: &RecordId) {
        self.rows.insert(record_id.clone(), None);
    }

    /// Takes over everything of a later register.
    pub fn absorb(&mut self, later: Self) {
        self.rows.extend(later.rows);
        for (key, ids) in later.by_key {
            self.by_key.entry(key).or_default().extend(ids);
        }
    }

    /// Resolves a producer's name against `self` with `later` laid over it: every row whose strict or form key is equal counts;
    /// they must name one enterprise, and its region must not contradict the producer's.
    ///
    /// Several reporters may have filed the same enterprise: the row filed last is named.
    #[must_use]
    pub fn resolve(&self, later: &Self, producer: &Party) -> Option<Resolution> {
        let strict = names::strict_key(&producer.name);
        let form = names::form_key(&producer.name);
        if strict.is_empty() {
            return None;
        }
        let candidates: Vec<&RegisterEntry> = register_keys(&producer.name)
            .iter()
            .flat_map(|key| [self.by_key.get(key), later.by_key.get(key)])
            .flatten()
            .flatten()
            .filter_map(|id| later.rows.get(id).or_else(|| self.rows.get(id))?.as_ref())
            .filter(|row| row.name_key == strict || names::form_key(&row.name_key) == form)
            .collect();
        let codes: BTreeSet<_> = candidates.iter().map(|row| row.credit_code).collect();
        let found = candidates.into_iter().max_by_key(|row| row.position).filter(|_| codes.len() == 1)?;
        let stated = producer.region.or_else(|| names::region_in_name(&producer.name));
        if stated.zip(found.region).is_some_and(|(stated, found)| stated.contradicts(found)) {
            return None;
        }
        Some(Resolution {
            credit_code: found.credit_code,
            survey_record_id: found.record_id.clone(),
            survey_position: found.position,
            matched_key: if found.name_key == strict { MatchedKey::Strict } else { MatchedKey::Form },
        })
    }
}
