//! The section of deadlines in the domain's terms.

use super::{DeadlinesSection, bounds::within};
use crate::domain::{
    deadlines::{Deadlines, Period},
    violation::{Findings, Text},
    working_days::WorkingDays,
};

pub(super) fn deadlines(section: &DeadlinesSection, findings: &mut Findings) -> Deadlines {
    findings.within("deadlines", |f| {
        let natural = [
            ("objection_days", section.objection_days),
            ("rectify_days", section.rectify_days),
            ("recheck_days", section.recheck_days),
            ("second_recheck_days", section.second_recheck_days),
            ("seizure_days", section.seizure_days),
            ("seizure_extension_days", section.seizure_extension_days),
            ("doubt_answer_working_days", section.doubt_answer_working_days),
            ("notice_acknowledgement_working_days", section.notice_acknowledgement_working_days),
        ];
        for (key, days) in natural {
            within(f, key, days, 1..=365);
        }
        within(f, "hold_days", section.hold_days, 0..=3650);
        within(f, "check_seconds", section.check_seconds, 1..=3600);
        let open = |days| if days == 0 { Period::Open } else { Period::Days(days) };
        Deadlines {
            calendar: calendar(section, f),
            objection: Period::Days(section.objection_days),
            rectify: Period::Days(section.rectify_days),
            recheck: Period::Days(section.recheck_days),
            second_recheck: Period::Days(section.second_recheck_days),
            seizure: section.seizure_days,
            seizure_extension: section.seizure_extension_days,
            doubt_answer: Period::WorkingDays(section.doubt_answer_working_days),
            notice_acknowledgement: Period::WorkingDays(section.notice_acknowledgement_working_days),
            hold: open(section.hold_days),
        }
    })
}

fn calendar(section: &DeadlinesSection, f: &mut Findings) -> WorkingDays {
    let Some(path) = &section.calendar else { return WorkingDays::built_in() };
    let wrong = match std::fs::read_to_string(path).map(|table| WorkingDays::parse(&table)) {
        Ok(Ok(calendar)) => return calendar,
        Ok(Err(error)) => Text::new(
            format!("{} 第 {} 行：{}", path.display(), error.line, error.text.zh),
            format!("{} line {}: {}", path.display(), error.line, error.text.en),
        ),
        Err(error) => {
            Text::new(format!("无法读取 {}：{error}", path.display()), format!("{} cannot be read: {error}", path.display()))
        }
    };
    f.refuse("calendar", "NOT_A_CALENDAR", wrong);
    WorkingDays::default()
}
