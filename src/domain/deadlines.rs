//! How long each duty may take. Every period is configuration; working days are counted by a table that can be replaced.

use super::{
    dates::CivilDate,
    docket::Duty,
    working_days::{Counted, WorkingDays},
};

/// A period. The day it is counted from is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many calendar days.
    Days(u32),
    /// So many working days.
    WorkingDays(u32),
    /// No end.
    Open,
}

/// The periods of all duties, and the calendar they are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlines {
    /// Which days are worked.
    pub calendar: WorkingDays,
    /// Objection after the notice.
    pub objection: Period,
    /// Rectification after the order.
    pub rectify: Period,
    /// Recheck after the order.
    pub recheck: Period,
    /// Second recheck after a failed one.
    pub second_recheck: Period,
    /// Sealing or seizure.
    pub seizure: u32,
    /// What an extension adds to it.
    pub seizure_extension: u32,
    /// Answer to a doubt.
    pub doubt_answer: Period,
    /// Acknowledgement of an urgent notice.
    pub notice_acknowledgement: Period,
    /// End of what customs hold.
    pub hold: Period,
}

impl Default for Deadlines {
    /// domain.md §5; the answer to a doubt, the acknowledgement and the hold are decisions of this project.
    fn default() -> Self {
        Self {
            calendar: WorkingDays::built_in(),
            objection: Period::Days(15),
            rectify: Period::Days(60),
            recheck: Period::Days(75),
            second_recheck: Period::Days(90),
            seizure: 30,
            seizure_extension: 30,
            doubt_answer: Period::WorkingDays(10),
            notice_acknowledgement: Period::WorkingDays(1),
            hold: Period::Open,
        }
    }
}

impl Deadlines {
    /// The period of a duty.
    #[must_use]
    pub fn period(&self, duty: Duty) -> Period {
        match duty {
            Duty::Objection => self.objection,
            Duty::Rectify => self.rectify,
            Duty::Recheck => self.recheck,
            Duty::SecondRecheck => self.second_recheck,
            Duty::Sealing | Duty::Seizure => Period::Days(self.seizure),
            Duty::SealingExtended | Duty::SeizureExtended => Period::Days(self.seizure.saturating_add(self.seizure_extension)),
            Duty::Stated => Period::Open,
            Duty::DoubtAnswer => self.doubt_answer,
            Duty::NoticeAcknowledgement => self.notice_acknowledgement,
            Duty::Hold => self.hold,
        }
    }

    /// The last day for a duty that is counted from `since`; a day that a document states goes before. `None` = it has no end.
    #[must_use]
    pub fn due(&self, duty: Duty, since: CivilDate, stated: Option<CivilDate>) -> Option<Counted> {
        if let Some(stated) = stated {
            return Some(Counted { day: CivilDate::of_date(stated.last_day())?, estimated: false });
        }
        match self.period(duty) {
            Period::Days(days) => Some(Counted { day: since.plus_days(i64::from(days))?, estimated: false }),
            Period::WorkingDays(days) => self.calendar.after(since, days),
            Period::Open => None,
        }
    }

    /// The last day from which a duty, counted from it without a stated day, is overdue today. `None` = it never is.
    #[must_use]
    pub fn overdue_since(&self, duty: Duty, today: CivilDate) -> Option<CivilDate> {
        let (Period::Days(days) | Period::WorkingDays(days)) = self.period(duty) else { return None };
        let mut since = today.plus_days(-1 - i64::from(days))?;
        // Later days are due later, so that the first day that fits is the last one.
        while self.due(duty, since, None)?.day >= today {
            since = since.plus_days(-1)?;
        }
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::records::Token as _;

    fn day(text: &str) -> CivilDate {
        CivilDate::parse(text).unwrap_or_else(|| panic!("a day: {text}"))
    }

    #[test]
    fn the_periods_of_the_law_count_from_the_day_after() {
        let deadlines = Deadlines::default();
        let due = |duty| deadlines.due(duty, day("2020-05-10"), None).map(|counted| counted.day.to_string());
        assert_eq!(due(Duty::Objection).as_deref(), Some("2020-05-25"));
        assert_eq!(due(Duty::Rectify).as_deref(), Some("2020-07-09"));
        assert_eq!(due(Duty::Recheck).as_deref(), Some("2020-07-24"));
        assert_eq!(due(Duty::SecondRecheck).as_deref(), Some("2020-08-08"));
        assert_eq!(due(Duty::Seizure).as_deref(), Some("2020-06-09"));
        assert_eq!(due(Duty::SeizureExtended).as_deref(), Some("2020-07-09"));
        assert_eq!(due(Duty::DoubtAnswer).as_deref(), Some("2020-05-22"));
        assert_eq!((due(Duty::Stated), due(Duty::Hold)), (None, None));
    }

    #[test]
    fn a_stated_day_goes_before_and_means_its_last() {
        let due = Deadlines::default().due(Duty::Rectify, day("2020-05-10"), Some(day("2020-06")));
        assert_eq!(due.map(|counted| counted.day.to_string()).as_deref(), Some("2020-06-30"));
    }

    #[test]
    fn overdue_begins_the_day_after_the_last() {
        let deadlines = Deadlines::default();
        assert_eq!(deadlines.overdue_since(Duty::Objection, day("2020-05-25")), Some(day("2020-05-09")));
        assert_eq!(deadlines.overdue_since(Duty::Objection, day("2020-05-26")), Some(day("2020-05-10")));
        assert_eq!(deadlines.overdue_since(Duty::Hold, day("2020-05-26")), None);
    }

    proptest! {
        /// The day asked for parts what is overdue from what is not, for every duty and calendar.
        #[test]
        fn overdue_since_agrees_with_due(offset in 0..900_i64, back in 0..200_i64, duty in prop::sample::select(Duty::ALL)) {
            let deadlines = Deadlines::default();
            let today = day("2019-12-01").plus_days(offset).expect("a day");
            let since = today.plus_days(-back).expect("a day");
            let overdue = deadlines.due(duty, since, None).is_some_and(|counted| counted.day < today);
            prop_assert_eq!(deadlines.overdue_since(duty, today).is_some_and(|last| since <= last), overdue);
        }
    }
}
