//! Which dead letters, as flags say it.

use clap::Args;

use crate::{
    cli::{
        Context, Failure,
        attest::{first_moment, moment},
    },
    proto::{DeadLetterSelector, PositionSpan},
};

/// Which dead letters. Every kind of flag that is given must match; of one kind any value.
#[derive(Debug, Default, Args)]
pub(super) struct Which {
    /// At this position, or from one to another, e.g. 1100-1200; may be repeated.
    #[arg(long = "position", value_name = "POSITION", value_parser = span)]
    positions: Vec<PositionSpan>,
    /// Given up for this reason; may be repeated.
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,
    /// Of this enterprise: its credit code, or the key that `list` shows; may be repeated.
    #[arg(long = "code", value_name = "CREDIT_CODE")]
    enterprises: Vec<String>,
    /// Of this record; may be repeated.
    #[arg(long = "record", value_name = "RECORD_ID")]
    record_ids: Vec<String>,
    /// Given up at or after this time, e.g. 2020-05-15 or `2020-05-15 08:30`.
    #[arg(long, value_name = "TIME")]
    died_from: Option<String>,
    /// Given up at or before this time; a day is meant to its end.
    #[arg(long, value_name = "TIME")]
    died_to: Option<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["positions", "reasons", "enterprises", "record_ids", "died_from", "died_to"])]
    all: bool,
}

/// What the flags come to.
#[derive(Debug, PartialEq)]
pub(super) enum Selection {
    /// No flag was given.
    Nothing,
    /// These.
    Of(DeadLetterSelector),
}

fn span(text: &str) -> Result<PositionSpan, String> {
    let position = |text: &str| text.parse().ok().filter(|position| *position > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    position(first)
        .zip(position(last))
        .filter(|(first, last)| first <= last)
        .map(|(first, last)| PositionSpan { first, last })
        .ok_or_else(|| "a position from 1, or two of them such as 1100-1200".to_owned())
}

impl Which {
    /// What is selected.
    ///
    /// # Errors
    /// When a time is none.
    pub(super) fn selection(self, context: &Context) -> Result<Selection, Failure> {
        let from = self.died_from.map(|text| first_moment(&text, context)).transpose()?;
        let to = self.died_to.map(|text| moment(&text, context)).transpose()?;
        let selector = DeadLetterSelector {
            positions: Vec::new(),
            ranges: self.positions,
            reasons: self.reasons,
            enterprises: self.enterprises,
            record_ids: self.record_ids,
            died_from_us: from.unwrap_or_default(),
            died_before_us: to.map_or(0, |to| to + 1),
            all: self.all,
        };
        Ok(if selector == DeadLetterSelector::default() { Selection::Nothing } else { Selection::Of(selector) })
    }

    /// Redriving and discarding need a choice: forgetting a flag must not touch them all.
    ///
    /// # Errors
    /// When nothing is chosen, or a time is none.
    pub(super) fn chosen(self, context: &Context) -> Result<DeadLetterSelector, Failure> {
        match self.selection(context)? {
            Selection::Of(selector) => Ok(selector),
            Selection::Nothing => Err(Failure::usage(
                "NOTHING_SELECTED",
                "请指明哪些死信：--position、--reason、--code、--record、--died-from、--died-to，或 --all",
                "say which: --position, --reason, --code, --record, --died-from, --died-to, or --all",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    fn context() -> Context {
        Context::new(Global::default())
    }

    #[test]
    fn nothing_is_touched_without_a_choice() {
        assert_eq!(Which::default().chosen(&context()).expect_err("nothing selected").reason, "NOTHING_SELECTED");
        assert!(Which { all: true, ..Which::default() }.chosen(&context()).expect("all").all);
        let one = Which { positions: vec![span("4").expect("a position")], ..Which::default() };
        let one = one.chosen(&context()).expect("selected");
        assert_eq!((one.ranges, one.all), (vec![PositionSpan { first: 4, last: 4 }], false));
    }

    #[test]
    fn a_position_may_be_a_range() {
        assert_eq!(span("7-9"), Ok(PositionSpan { first: 7, last: 9 }));
        for wrong in ["", "0", "9-7", "a", "1-", "-3", "1-2-3"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_are_meant_from_their_beginning_to_their_end() {
        let day = || Some("2020-05-15".to_owned());
        let which = Which { died_from: day(), died_to: day(), ..Which::default() };
        let chosen = which.chosen(&context()).expect("selected");
        assert_eq!(chosen.died_before_us - chosen.died_from_us, 86_400_000_000);
        let wrong = Which { died_from: Some("soon".to_owned()), ..Which::default() };
        assert_eq!(wrong.chosen(&context()).expect_err("no time").reason, "NOT_A_MOMENT");
    }
}
