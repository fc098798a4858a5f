//! What waits for somebody (待办): duties that follow from records, each with the day it is counted from.
//!
//! Derived from records alone and kept beside them, so that what became overdue is found without reading the ledger. Periods are no
//! part of it: they are configuration ([`super::deadlines`]), and changing one needs nothing to be written anew.

use std::collections::BTreeMap;

use super::{
    dates::CivilDate,
    ids::{Micros, ParticipantId, Position, RecordId},
    life_cycle::{IllegalStep, Standing, State, Step},
    records::{CustomsAction, Token as _, TrackKind, TrackScope, TrackStep, tokens},
};

tokens! {
    /// What is waited for. Append-only: stores keep the tokens.
    pub enum Duty {
        /// (only prompts the organiser: the lapse itself changes nothing)
        Objection = "objection", "异议期";
        Rectify = "rectify", "整改";
        Recheck = "recheck", "复查";
        SecondRecheck = "second_recheck", "再次复查";
        Sealing = "sealing", "查封期限";
        SealingExtended = "sealing_extended", "查封期限（已延长）";
        Seizure = "seizure", "扣押期限";
        SeizureExtended = "seizure_extended", "扣押期限（已延长）";
        /// (any other day that a document states)
        Stated = "stated", "文书载明的期限";
        DoubtAnswer = "doubt_answer", "答复疑义";
        NoticeAcknowledgement = "notice_acknowledgement", "签收紧急通报";
        Hold = "hold", "未了结的暂扣";
    }
}

/// Name of an entry: one matter has each duty once for each detail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey {
    /// What the duty belongs to: a record id, or `declaration:<participant>/<number>`.
    pub matter: String,
    /// The duty.
    pub duty: Duty,
    /// Scope of a track, item of a declaration, addressee of a notice; empty = none.
    pub detail: String,
}

/// One duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: EntryKey,
    /// The record it is about.
    pub record: RecordId,
    /// The revision it follows from.
    pub position: Position,
    /// Who is to do it.
    pub answerable: ParticipantId,
    /// The day it is counted from.
    pub since: CivilDate,
    /// The last day, where a document states one.
    pub stated: Option<CivilDate>,
    /// When it was raised as overdue.
    pub raised_at: Option<Micros>,
}

impl Entry {
    /// Keeps that it was raised, unless it is counted from another day now.
    pub fn keep_raised(&mut self, before: &[Self]) {
        let same = before.iter().find(|old| old.key == self.key && (old.since, old.stated) == (self.since, self.stated));
        self.raised_at = same.and_then(|old| old.raised_at);
    }
}

/// A revision that began something, and who is answerable by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its position.
    pub position: Position,
    /// Who published it.
    pub by: ParticipantId,
    /// The day it took effect.
    pub on: CivilDate,
    /// The last day that it states.
    pub stated: Option<CivilDate>,
}

/// The duties in the proceeding about one nonconformity: it began in `begin`, and `steps` were taken in this order.
///
/// # Errors
/// At the first step that the life cycle does not allow.
pub fn of_nonconformity(
    record: &RecordId,
    begin: (State, Mark),
    steps: impl IntoIterator<Item = (Step, Mark)>,
) -> Result<Vec<Entry>, IllegalStep> {
    let (state, mark) = begin;
    let mut proceeding = Proceeding {
        organiser: mark.by.clone(),
        ordered: (state == State::Ordered).then(|| mark.clone()),
        failed: (state == State::RecheckFailed).then(|| mark.clone()),
        entered: mark,
        tracks: BTreeMap::new(),
        measure: None,
    };
    let mut standing = Standing::begin(state);
    for (step, mark) in steps {
        standing.apply(&step)?;
        proceeding.take(step, mark);
    }
    Ok(proceeding.duties(record, standing.state))
}

struct Proceeding {
    organiser: ParticipantId,
    /// By what it entered its state.
    entered: Mark,
    /// The order to rectify in force.
    ordered: Option<Mark>,
    /// The last recheck that failed.
    failed: Option<Mark>,
    /// Open tracks: when they were opened, whether extended.
    tracks: BTreeMap<(TrackKind, TrackScope), (Mark, bool)>,
    /// The last disposition, if it is a measure alone.
    measure: Option<Mark>,
}

impl Proceeding {
    fn take(&mut self, step: Step, mark: Mark) {
        let Step::Change { state, track } = step else { return };
        self.measure = (state.is_none() && track.is_none()).then(|| mark.clone());
        if let Some((_, to)) = state {
            match to {
                State::Ordered => self.ordered = Some(mark.clone()),
                State::RecheckFailed => self.failed = Some(mark.clone()),
                State::Confirmed | State::Cleared => (self.ordered, self.failed) = (None, None),
                _ => {}
            }
            self.entered = mark.clone();
        }
        if let Some(change) = track {
            let name = (change.track, change.scope);
            match change.step {
                TrackStep::Open => {
                    self.tracks.insert(name, (mark, false));
                }
                // Counted from the opening; a day that the extension states goes before.
                TrackStep::Extend => {
                    if let Some((opened, extended)) = self.tracks.get_mut(&name) {
                        (opened.stated, opened.position, *extended) = (mark.stated, mark.position, true);
                    }
                }
                TrackStep::Close => {
                    self.tracks.remove(&name);
                }
            }
        }
    }

    fn duties(self, record: &RecordId, state: State) -> Vec<Entry> {
        let mut duties = Duties { record, found: Vec::new() };
        let entered = &self.entered;
        let stated = |mark: &Mark| Mark { stated: entered.stated, ..mark.clone() };
        match (state, &self.ordered, &self.failed) {
            (State::Notified, ..) => duties.add(Duty::Objection, "", &Mark { by: self.organiser.clone(), ..entered.clone() }),
            (State::Ordered, ordered, _) => {
                duties.add(Duty::Rectify, "", entered);
                duties.extend(ordered.as_ref().map(|mark| (Duty::Recheck, Mark { stated: None, ..mark.clone() })));
            }
            (State::RecheckFailed | State::Rechecking | State::Ceased, _, Some(failed)) => {
                duties.add(Duty::SecondRecheck, "", &stated(failed));
            }
            (State::Ceased | State::Rechecking, Some(ordered), None) => duties.add(Duty::Recheck, "", &stated(ordered)),
            (state, ..) if entered.stated.is_some() && !state.is_terminal() => duties.add(Duty::Stated, "", entered),
            _ => {}
        }
        for ((track, scope), (mark, extended)) in &self.tracks {
            let duty = match (track, extended) {
                (TrackKind::Sealing, false) => Duty::Sealing,
                (TrackKind::Sealing, true) => Duty::SealingExtended,
                (TrackKind::Seizure, false) => Duty::Seizure,
                (TrackKind::Seizure, true) => Duty::SeizureExtended,
                _ if mark.stated.is_some() => Duty::Stated,
                _ => continue,
            };
            let detail = match duty {
                Duty::Stated => format!("{}:{}", track.token(), scope.token()),
                _ => scope.token().to_owned(),
            };
            duties.add(duty, &detail, mark);
        }
        if let Some(measure) = self.measure.filter(|mark| mark.stated.is_some()) {
            duties.add(Duty::Stated, "measure", &measure);
        }
        duties.found
    }
}

struct Duties<'a> {
    record: &'a RecordId,
    found: Vec<Entry>,
}

impl Duties<'_> {
    fn add(&mut self, duty: Duty, detail: &str, mark: &Mark) {
        self.found.push(Entry {
            key: EntryKey { matter: self.record.to_string(), duty, detail: detail.to_owned() },
            record: self.record.clone(),
            position: mark.position,
            answerable: mark.by.clone(),
            since: mark.on,
            stated: mark.stated,
            raised_at: None,
        });
    }

    fn extend(&mut self, duty: Option<(Duty, Mark)>) {
        if let Some((duty, mark)) = duty {
            self.add(duty, "", &mark);
        }
    }
}

/// What customs did with a declaration, or one item of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// The record that says so.
    pub record: RecordId,
    /// Its revision in force.
    pub position: Position,
    /// Who.
    pub by: ParticipantId,
    /// Item, from 1; 0 = the whole declaration.
    pub item: u32,
    /// What.
    pub action: CustomsAction,
    /// When.
    pub at: Micros,
}

/// The matter that customs' actions on one declaration belong to.
#[must_use]
pub fn matter_of_declaration(by: &ParticipantId, number: &str) -> String {
    format!("declaration:{by}/{number}")
}

/// What of a declaration is held: a hold stands until what was held is released or returned. An examination alone holds nothing, and
/// what is done with the whole declaration is done with each item.
#[must_use]
pub fn of_declaration(matter: &str, mut actions: Vec<Acted>) -> Vec<Entry> {
    actions.sort_by_key(|acted| (acted.at, acted.position));
    let mut held: BTreeMap<u32, Acted> = BTreeMap::new();
    for acted in actions {
        match acted.action {
            CustomsAction::Held => {
                held.entry(acted.item).or_insert(acted);
            }
            CustomsAction::Examined => {}
            CustomsAction::Released | CustomsAction::Returned if acted.item == 0 => held.clear(),
            CustomsAction::Released | CustomsAction::Returned => {
                held.remove(&acted.item);
            }
        }
    }
    let entry = |(item, acted): (u32, Acted)| Entry {
        key: EntryKey {
            matter: matter.to_owned(),
            duty: Duty::Hold,
            detail: if item == 0 { String::new() } else { item.to_string() },
        },
        record: acted.record,
        position: acted.position,
        answerable: acted.by,
        since: CivilDate::of_instant(acted.at),
        stated: None,
        raised_at: None,
    };
    held.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::records::TrackChange;

    fn day(text: &str) -> CivilDate {
        CivilDate::parse(text).unwrap_or_else(|| panic!("a day: {text}"))
    }

    fn who(name: &str) -> ParticipantId {
        ParticipantId::parse(name).expect("a participant")
    }

    fn id(text: &str) -> RecordId {
        RecordId::parse(text).expect("a record id")
    }

    fn mark(position: Position, on: &str) -> Mark {
        Mark { position, by: who(if position == 1 { "samr" } else { "amr-330000" }), on: day(on), stated: None }
    }

    fn change(from: State, to: State) -> Step {
        Step::Change { state: Some((from, to)), track: None }
    }

    fn track(track: TrackKind, step: TrackStep) -> Step {
        Step::Change { state: None, track: Some(TrackChange { track, step, scope: TrackScope::Batch }) }
    }

    fn duties(begin: State, steps: Vec<(Step, Mark)>) -> Vec<(String, String)> {
        let entries = of_nonconformity(&id("samr/1"), (begin, mark(1, "2020-05-01")), steps).expect("a legal life");
        entries.iter().map(|entry| (entry.key.duty.token().to_owned(), entry.since.to_string())).collect()
    }

    fn of(duty: &str, since: &str) -> (String, String) {
        (duty.to_owned(), since.to_owned())
    }

    #[test]
    fn each_state_has_its_duties_counted_from_the_right_day() {
        let mut steps = vec![];
        assert_eq!(duties(State::Notified, steps.clone()), [of("objection", "2020-05-01")]);
        steps.push((change(State::Notified, State::Confirmed), mark(2, "2020-05-17")));
        assert_eq!(duties(State::Notified, steps.clone()), []);
        steps.push((change(State::Confirmed, State::Ordered), mark(3, "2020-05-20")));
        assert_eq!(duties(State::Notified, steps.clone()), [of("rectify", "2020-05-20"), of("recheck", "2020-05-20")]);
        steps.push((change(State::Ordered, State::Rechecking), mark(4, "2020-07-10")));
        assert_eq!(duties(State::Notified, steps.clone()), [of("recheck", "2020-05-20")]);
        steps.push((change(State::Rechecking, State::RecheckFailed), mark(5, "2020-07-20")));
        assert_eq!(duties(State::Notified, steps.clone()), [of("second_recheck", "2020-07-20")]);
        steps.push((change(State::RecheckFailed, State::Rechecking), mark(6, "2020-10-01")));
        assert_eq!(duties(State::Notified, steps.clone()), [of("second_recheck", "2020-07-20")]);
        steps.push((change(State::Rechecking, State::Cleared), mark(7, "2020-10-10")));
        assert_eq!(duties(State::Notified, steps.clone()), []);
        steps.push((change(State::Cleared, State::Confirmed), mark(8, "2020-11-01")));
        steps.push((change(State::Confirmed, State::Ceased), mark(9, "2020-11-02")));
        assert_eq!(duties(State::Notified, steps), [], "no order is in force any more");
    }

    #[test]
    fn the_lapse_of_an_objection_prompts_the_organiser_and_an_order_its_author() {
        let entries = of_nonconformity(&id("samr/1"), (State::Notified, mark(1, "2020-05-01")), []).expect("legal");
        assert_eq!(entries[0].answerable, who("samr"));
        let ordered = [(change(State::Confirmed, State::Ordered), mark(2, "2020-05-20"))];
        let entries = of_nonconformity(&id("samr/1"), (State::Confirmed, mark(1, "2020-05-01")), ordered).expect("legal");
        assert_eq!((entries[0].answerable.clone(), entries[0].position), (who("amr-330000"), 2));
    }

    #[test]
    fn a_stated_day_belongs_to_the_duty_of_its_document() {
        let stated = Mark { stated: Some(day("2020-06-01")), ..mark(2, "2020-05-20") };
        let find = |steps: Vec<(Step, Mark)>| -> Vec<(Duty, Option<CivilDate>)> {
            let entries = of_nonconformity(&id("samr/1"), (State::Confirmed, mark(1, "2020-05-01")), steps).expect("legal");
            entries.iter().map(|entry| (entry.key.duty, entry.stated)).collect()
        };
        let until = Some(day("2020-06-01"));
        assert_eq!(
            find(vec![(change(State::Confirmed, State::Ordered), stated.clone())]),
            [(Duty::Rectify, until), (Duty::Recheck, None)]
        );
        assert_eq!(find(vec![(change(State::Confirmed, State::Ceased), stated.clone())]), [(Duty::Stated, until)]);
        let measure = Step::Change { state: None, track: None };
        assert_eq!(find(vec![(measure, stated.clone())]), [(Duty::Stated, until)]);
        assert_eq!(find(vec![(measure, stated.clone()), (measure, mark(3, "2020-05-25"))]), []);
        assert_eq!(find(vec![(track(TrackKind::Recall, TrackStep::Open), stated)]), [(Duty::Stated, until)]);
        assert_eq!(find(vec![(track(TrackKind::Case, TrackStep::Open), mark(2, "2020-05-20"))]), []);
    }

    #[test]
    fn a_seizure_counts_from_its_opening_also_when_extended_and_whatever_the_state() {
        let mut steps = vec![(track(TrackKind::Seizure, TrackStep::Open), mark(2, "2020-05-05"))];
        assert_eq!(duties(State::Cleared, steps.clone()), [of("seizure", "2020-05-05")]);
        steps.push((track(TrackKind::Seizure, TrackStep::Extend), mark(3, "2020-06-01")));
        steps.push((track(TrackKind::Sealing, TrackStep::Open), mark(4, "2020-06-02")));
        assert_eq!(duties(State::Cleared, steps.clone()), [of("sealing", "2020-06-02"), of("seizure_extended", "2020-05-05")]);
        steps.push((track(TrackKind::Seizure, TrackStep::Close), mark(5, "2020-06-20")));
        assert_eq!(duties(State::Cleared, steps), [of("sealing", "2020-06-02")]);
    }

    #[test]
    fn what_was_raised_stays_raised_as_long_as_it_counts_from_the_same_day() {
        let entry = |on: &str| {
            of_nonconformity(&id("samr/1"), (State::Notified, mark(1, on)), []).expect("legal").pop().expect("an entry")
        };
        let before = Entry { raised_at: Some(7), ..entry("2020-05-01") };
        let mut same = entry("2020-05-01");
        same.keep_raised(std::slice::from_ref(&before));
        assert_eq!(same.raised_at, Some(7));
        let mut corrected = entry("2020-05-02");
        corrected.keep_raised(&[before]);
        assert_eq!(corrected.raised_at, None);
    }

    fn acted(position: Position, item: u32, action: CustomsAction) -> Acted {
        let at = 1_590_000_000_000_000 + i64::try_from(position).expect("small");
        Acted { record: id(&format!("gacc/{position}")), position, by: who("gacc"), item, action, at }
    }

    #[test]
    fn a_hold_stands_until_what_was_held_is_released_or_returned() {
        use CustomsAction::{Examined, Held, Released, Returned};
        let held = |actions: &[(u32, CustomsAction)]| -> Vec<(String, Position)> {
            let actions = (1..).zip(actions).map(|(position, (item, action))| acted(position, *item, *action)).collect();
            of_declaration("declaration:gacc/1", actions).into_iter().map(|e| (e.key.detail, e.position)).collect()
        };
        assert_eq!(held(&[(1, Held)]), [("1".to_owned(), 1)]);
        assert_eq!(held(&[(1, Held), (1, Examined), (1, Held)]), [("1".to_owned(), 1)], "its age is that of the first");
        assert_eq!(held(&[(1, Examined)]), []);
        assert_eq!(held(&[(1, Held), (2, Held), (1, Released)]), [("2".to_owned(), 2)]);
        assert_eq!(held(&[(0, Held), (1, Released)]), [(String::new(), 1)], "the rest is still held");
        assert_eq!(held(&[(1, Held), (2, Held), (0, Returned)]), []);
        assert_eq!(held(&[(1, Held), (1, Released), (1, Held)]), [("1".to_owned(), 3)]);
    }
}
