//! One file per enterprise (一企一档, notice 市监质监〔2020〕51号 §5): put together from the records in force, never kept beside them.

use super::{
    credit_code::CreditCode,
    dates::CivilDate,
    draft::StoredRecord,
    flow::Flow,
    ids::{Position, RecordId},
    life_cycle::{IllegalStep, Standing, State, Step},
    records::{Content, Matter, RecordReference, TrackKind, TrackScope},
};

/// A stored revision with what it says.
#[derive(Debug, Clone)]
pub struct Filed {
    /// As it stands in the ledger.
    pub stored: StoredRecord,
    /// Decoded.
    pub content: Content,
}

impl Filed {
    /// The revision, as others refer to it.
    #[must_use]
    pub fn reference(&self) -> RecordReference {
        reference(&self.stored)
    }
}

/// A stored revision as one reader may see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// As it stands in the ledger.
    pub stored: StoredRecord,
    /// Its restricted section is shown too; else only that section's digest.
    pub restricted: bool,
}

/// A stored revision, as others refer to it.
#[must_use]
pub fn reference(stored: &StoredRecord) -> RecordReference {
    RecordReference { record_id: stored.record_id.clone(), revision: stored.revision, position: stored.position }
}

/// A step that a disposition in force took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenStep {
    /// Position of the disposition's *first* revision: its place in the life cycle, which a later correction does not move.
    pub taken_up: Position,
    /// Position of the revision in force.
    pub position: Position,
    /// The step.
    pub step: Step,
}

/// Where a nonconformity stands, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonconformityStatus {
    /// The nonconformity.
    pub record_id: RecordId,
    /// Its state and open tracks.
    pub standing: Standing,
    /// Position of the revision that set the state: the nonconformity's own, or a disposition's.
    pub since: Position,
    /// It was dropped before anyone was told of it, and stays as confidential as the detection was.
    pub dropped: bool,
    /// Where its batch went, by the dispositions in force.
    pub flow: Flow,
}

impl NonconformityStatus {
    /// Folds the steps of the dispositions in force.
    ///
    /// # Errors
    /// When the life cycle does not allow them in the order they were taken up. The ledger admits no such step, so this is damage.
    pub fn fold(nonconformity: &StoredRecord, mut steps: Vec<TakenStep>) -> Result<Self, IllegalStep> {
        steps.sort_unstable_by_key(|taken| taken.taken_up);
        let begin = match nonconformity.attributes.step {
            Some(Step::Begin(state)) => state,
            // A published row without wording starts confirmed (domain.md §5).
            _ => State::Confirmed,
        };
        let mut standing = Standing::begin(begin);
        let mut since = nonconformity.position;
        let mut was_told = begin != State::Detected;
        for taken in &steps {
            let before = standing.state;
            standing.apply(&taken.step)?;
            if standing.state != before {
                since = taken.position;
                was_told |= !matches!(standing.state, State::Overturned | State::Disowned);
            }
        }
        let dropped = !was_told && standing.state != State::Detected;
        Ok(Self { record_id: nonconformity.record_id.clone(), standing, since, dropped, flow: Flow::default() })
    }

    /// The state by which it is decided who may know of it.
    #[must_use]
    pub fn disclosed_as(&self) -> State {
        if self.dropped { State::Detected } else { self.standing.state }
    }

    /// True while it stands on the deny-list: a state that holds, or an open sealing, seizure or transfer.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.standing.state.is_holding() || self.standing.open_tracks.iter().any(|(track, _)| bars_goods(*track))
    }

    /// The same, without what only the restricted sections say.
    #[must_use]
    pub fn open(self) -> Self {
        Self { flow: self.flow.open(), ..self }
    }

    /// The same, with only those open tracks that may be shown.
    #[must_use]
    pub fn showing(mut self, may_show: impl Fn(TrackKind, TrackScope) -> bool) -> Self {
        self.standing.open_tracks.retain(|(track, scope)| may_show(*track, *scope));
        self
    }
}

/// True for tracks that bar goods while they are open: sealing, seizure, transfer (domain.md §5).
#[must_use]
pub const fn bars_goods(track: TrackKind) -> bool {
    matches!(track, TrackKind::Sealing | TrackKind::Seizure | TrackKind::Transfer)
}

/// The file of one enterprise, as one reader may see it.
#[derive(Debug, Clone)]
pub struct EnterpriseFile {
    /// Its code.
    pub credit_code: CreditCode,
    /// Names known, newest first, each once.
    pub names: Vec<String>,
    /// Records in force, by position.
    pub records: Vec<Shown>,
    /// Where its nonconformities stand, by record.
    pub nonconformities: Vec<NonconformityStatus>,
    /// A nonconformity stands on the deny-list.
    pub on_deny_list: bool,
    /// A qualification is valid on the day asked for.
    pub on_allow_list: bool,
}

impl EnterpriseFile {
    /// Puts it together from what the reader may see (`true` = the restricted section too); `None` when that is nothing. Withdrawn
    /// records are no part of it.
    #[must_use]
    pub fn assemble(
        credit_code: CreditCode,
        mut records: Vec<(Filed, bool)>,
        nonconformities: Vec<NonconformityStatus>,
        day: CivilDate,
    ) -> Option<Self> {
        records.retain(|(filed, _)| !filed.stored.attributes.withdrawn);
        records.sort_by_key(|(filed, _)| filed.stored.position);
        if records.is_empty() {
            return None;
        }
        let on_allow_list = records.iter().any(|(filed, _)| match &filed.content.matter {
            Matter::ExportQualification(matter) => is_valid_on(matter.valid_from, matter.valid_to, day),
            _ => false,
        });
        Some(Self {
            credit_code,
            names: names(&records),
            on_deny_list: nonconformities.iter().any(NonconformityStatus::denies),
            on_allow_list,
            nonconformities,
            records: records.into_iter().map(|(filed, restricted)| Shown { stored: filed.stored, restricted }).collect(),
        })
    }
}

/// True from the first day to the last, both in; without a last day for good.
#[must_use]
pub fn is_valid_on(valid_from: CivilDate, valid_to: Option<CivilDate>, day: CivilDate) -> bool {
    valid_from.first_day() <= day.first_day() && valid_to.is_none_or(|to| day.first_day() <= to.last_day())
}

fn names(records: &[(Filed, bool)]) -> Vec<String> {
    let parties = records.iter().rev().filter_map(|(filed, _)| match &filed.content.matter {
        Matter::Nonconformity(matter) => Some(&matter.producer),
        Matter::EnterpriseSurvey(matter) => Some(&matter.enterprise),
        Matter::ExportQualification(matter) => Some(&matter.enterprise),
        Matter::UrgentNotice(matter) => matter.enterprise.as_ref(),
        _ => None,
    });
    let mut names: Vec<String> = Vec::new();
    for party in parties {
        if !party.name.is_empty() && !names.contains(&party.name) {
            names.push(party.name.clone());
        }
    }
    names
}

#[cfg(test)]
pub(in crate::domain) mod tests {
    use super::*;
    use crate::domain::{
        attributes::attributes_of,
        draft::{OrderKey, SealedSection, Sections},
        ids::ParticipantId,
        records::{TrackChange, TrackStep, examples},
    };

    pub(in crate::domain) fn filed(position: Position, matter: Matter) -> Filed {
        let content = Content { matter, withdrawal: None };
        let sections = Sections { open: SealedSection { content: bytes::Bytes::new(), salt: [0; 16] }, restricted: None };
        let stored = StoredRecord {
            position,
            committed_at: 0,
            publisher: ParticipantId::parse("amr-330000").expect("a participant"),
            record_id: RecordId::parse(&format!("amr-330000/{position}")).expect("an id"),
            revision: 1,
            order_key: OrderKey("".into()),
            attributes: attributes_of(&content, None),
            previous: None,
            sections,
            provenance: None,
            resolution: None,
            digest: [0; 32],
        };
        Filed { stored, content }
    }

    fn nonconformity(initial_state: State) -> Filed {
        let matter = crate::domain::records::Nonconformity { initial_state, ..examples::nonconformity(1) };
        filed(1, Matter::Nonconformity(Box::new(matter)))
    }

    fn change(taken_up: Position, position: Position, from: State, to: State) -> TakenStep {
        TakenStep { taken_up, position, step: Step::Change { state: Some((from, to)), track: None } }
    }

    #[test]
    fn a_corrected_disposition_keeps_its_place() {
        let steps = vec![
            change(3, 3, State::Ordered, State::Rechecking),
            change(2, 9, State::Confirmed, State::Ordered),
            change(4, 4, State::Rechecking, State::Cleared),
        ];
        let status = NonconformityStatus::fold(&nonconformity(State::Confirmed).stored, steps).expect("a legal fold");
        assert_eq!((status.standing.state, status.since, status.dropped), (State::Cleared, 4, false));
        assert!(!status.denies());
    }

    #[test]
    fn steps_that_the_ledger_would_not_admit_are_damage() {
        let steps = vec![change(2, 2, State::Ordered, State::Rechecking)];
        assert!(NonconformityStatus::fold(&nonconformity(State::Confirmed).stored, steps).is_err());
    }

    #[test]
    fn what_was_dropped_before_anyone_was_told_stays_confidential() {
        let dropped = vec![change(2, 2, State::Detected, State::Overturned)];
        let status = NonconformityStatus::fold(&nonconformity(State::Detected).stored, dropped).expect("legal");
        assert_eq!(status.disclosed_as(), State::Detected);
        let told = vec![change(2, 2, State::Detected, State::Notified), change(3, 3, State::Notified, State::Overturned)];
        let status = NonconformityStatus::fold(&nonconformity(State::Detected).stored, told).expect("legal");
        assert_eq!(status.disclosed_as(), State::Overturned);
    }

    #[test]
    fn an_open_sealing_denies_whatever_the_state_but_a_follow_up_does_not() {
        let open = |track| TakenStep {
            taken_up: 2,
            position: 2,
            step: Step::Change {
                state: None,
                track: Some(TrackChange { track, step: TrackStep::Open, scope: TrackScope::Batch }),
            },
        };
        let fold = |track| NonconformityStatus::fold(&nonconformity(State::Cleared).stored, vec![open(track)]).expect("legal");
        assert!(fold(TrackKind::Sealing).denies());
        assert!(!fold(TrackKind::Sealing).showing(|_, _| false).denies());
        assert!(!fold(TrackKind::FollowUp).denies());
    }

    #[test]
    fn the_file_names_the_newest_first_and_leaves_out_what_was_withdrawn() {
        let mut survey = examples::survey(1);
        survey.enterprise.name = "旧名".into();
        let mut qualification = examples::qualification(1);
        qualification.enterprise.name = "新名".into();
        let (from, code) = (qualification.valid_from, qualification.enterprise.credit_code.expect("a code"));
        let mut withdrawn = filed(7, Matter::EnterpriseSurvey(Box::new(survey.clone())));
        withdrawn.stored.attributes.withdrawn = true;
        let records = [
            withdrawn.clone(),
            filed(5, Matter::ExportQualification(Box::new(qualification))),
            filed(2, Matter::EnterpriseSurvey(Box::new(survey.clone()))),
            filed(3, Matter::EnterpriseSurvey(Box::new(survey))),
        ];
        let records = records.into_iter().map(|filed| (filed, false)).collect();
        let file = EnterpriseFile::assemble(code, records, Vec::new(), from).expect("a file");
        assert_eq!(file.names, ["新名", "旧名"]);
        assert_eq!(file.records.iter().map(|shown| shown.stored.position).collect::<Vec<_>>(), [2, 3, 5]);
        assert!(file.on_allow_list && !file.on_deny_list);
        assert!(EnterpriseFile::assemble(code, vec![(withdrawn, false)], Vec::new(), from).is_none());
    }
}
