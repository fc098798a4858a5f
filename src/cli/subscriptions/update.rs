//! `tongbao subscriptions update`: the settings as they stand, changed where a flag says so.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        Failure,
        attest::feed_named,
        subscribe::settings::{code, kind_named, state_named},
    },
    proto::{Filter, OnDeadLetter, SubscriptionSettings},
};

/// A list of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum List {
    Feed,
    Kind,
    Region,
    Product,
    Item,
    State,
    Code,
}

/// What a dead letter does to its enterprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeadLetters {
    /// Later revisions go on.
    Continue,
    /// Later revisions of that enterprise wait.
    Block,
}

/// What changes; what is not named stays as it is.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// Only this feed; may be repeated, and replaces the list as it stands. So do the six flags that follow.
    #[arg(long = "feed", value_name = "FEED")]
    feeds: Vec<String>,
    /// Only this kind of record, e.g. nonconformity.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only regions whose code begins so, e.g. 33.
    #[arg(long = "region", value_name = "PREFIX")]
    regions: Vec<String>,
    /// Only this kind of product, e.g. `daily_protective`.
    #[arg(long = "product", value_name = "TOKEN")]
    products: Vec<String>,
    /// Only where this item failed, e.g. `filtration_efficiency`.
    #[arg(long = "item", value_name = "TOKEN")]
    items: Vec<String>,
    /// Only nonconformities in this state, e.g. confirmed.
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
    /// Only this enterprise.
    #[arg(long = "code", value_name = "CREDIT_CODE")]
    codes: Vec<String>,
    /// Empty this list of the filter, so that it admits everything; may be repeated.
    #[arg(long = "clear", value_name = "LIST", value_enum)]
    clear: Vec<List>,
    /// What a dead letter does to its enterprise.
    #[arg(long, value_enum)]
    on_dead_letter: Option<DeadLetters>,
    /// Lease of a delivery, 5 to 43,200 s.
    #[arg(long, value_name = "SECONDS")]
    lease: Option<u32>,
    /// Longest a lease may be extended to in all, s.
    #[arg(long, value_name = "SECONDS")]
    lease_total: Option<u32>,
    /// Failures before a delivery becomes a dead letter, 1 to 100. Deliveries that have failed so often become one at once.
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// First delay of the backoff, ms.
    #[arg(long, value_name = "MS")]
    retry_initial: Option<u32>,
    /// Longest delay of the backoff, ms.
    #[arg(long, value_name = "MS")]
    retry_max: Option<u32>,
    /// Retries a second at most.
    #[arg(long, value_name = "N")]
    retry_rate: Option<u32>,
    /// A reason that goes straight to the dead letters; may be repeated, and replaces the list.
    #[arg(long = "non-retryable", value_name = "REASON")]
    non_retryable: Vec<String>,
    /// Failures in a row that pause delivery; 0 = never.
    #[arg(long, value_name = "N")]
    pause_after_failures: Option<u32>,
    /// Most deliveries out at once.
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// Most positions between the oldest unsettled and the last delivery.
    #[arg(long, value_name = "N")]
    max_span: Option<u32>,
}

impl Changes {
    /// Changes settings as read.
    pub(super) fn apply(&self, settings: &mut SubscriptionSettings) -> Result<(), Failure> {
        self.filter(settings.filter.get_or_insert_default())?;
        if let Some(what) = self.on_dead_letter {
            let what = match what {
                DeadLetters::Continue => OnDeadLetter::Continue,
                DeadLetters::Block => OnDeadLetter::Block,
            };
            settings.on_dead_letter = what.into();
        }
        if !self.non_retryable.is_empty() {
            settings.non_retryable_reasons.clone_from(&self.non_retryable);
        }
        let numbers = [
            (&mut settings.lease_seconds, self.lease),
            (&mut settings.lease_total_seconds, self.lease_total),
            (&mut settings.max_attempts, self.max_attempts),
            (&mut settings.retry_initial_ms, self.retry_initial),
            (&mut settings.retry_max_ms, self.retry_max),
            (&mut settings.retry_rate_per_second, self.retry_rate),
            (&mut settings.pause_after_failures, self.pause_after_failures),
            (&mut settings.max_in_flight, self.max_in_flight),
            (&mut settings.max_span, self.max_span),
        ];
        for (standing, asked) in numbers {
            *standing = asked.unwrap_or(*standing);
        }
        Ok(())
    }

    fn filter(&self, filter: &mut Filter) -> Result<(), Failure> {
        self.feeds.iter().try_for_each(|feed| feed_named(feed).map(|_| ()))?;
        self.states.iter().try_for_each(|state| state_named(state))?;
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind_named(kind)).collect::<Result<_, _>>()?;
        let codes: Vec<_> = self.codes.iter().map(|text| code(text)).collect::<Result<_, _>>()?;
        self.list(List::Feed, &self.feeds, &mut filter.feeds);
        self.list(List::Kind, &kinds, &mut filter.kinds);
        self.list(List::Region, &self.regions, &mut filter.region_prefixes);
        self.list(List::Product, &self.products, &mut filter.product_kinds);
        self.list(List::Item, &self.items, &mut filter.failed_items);
        self.list(List::State, &self.states, &mut filter.states);
        self.list(List::Code, &codes, &mut filter.credit_codes);
        Ok(())
    }

    fn list<T: Clone>(&self, which: List, asked: &[T], standing: &mut Vec<T>) {
        if self.clear.contains(&which) {
            standing.clear();
        }
        if !asked.is_empty() {
            *standing = asked.to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let filter = Filter { feeds: vec!["notices".into()], region_prefixes: vec!["33".into()], ..Filter::default() };
        let standing =
            SubscriptionSettings { filter: Some(filter), lease_seconds: 60, max_attempts: 4, ..SubscriptionSettings::default() };
        let mut changed = standing.clone();
        let changes = Changes {
            regions: vec!["44".into()],
            clear: vec![List::Feed],
            max_attempts: Some(5),
            on_dead_letter: Some(DeadLetters::Block),
            ..Changes::default()
        };
        changes.apply(&mut changed).expect("known words");
        let filter = changed.filter.clone().expect("a filter");
        assert!(filter.feeds.is_empty() && filter.region_prefixes == ["44"]);
        assert_eq!((changed.lease_seconds, changed.max_attempts), (60, 5));
        assert_eq!(changed.on_dead_letter(), OnDeadLetter::Block);
        let mut same = standing.clone();
        Changes::default().apply(&mut same).expect("nothing named");
        assert_eq!(same, standing);
    }

    #[test]
    fn unknown_words_are_refused_here() {
        let refused = |changes: Changes| changes.apply(&mut SubscriptionSettings::default()).expect_err("unknown").reason;
        assert_eq!(refused(Changes { feeds: vec!["x".into()], ..Changes::default() }), "UNKNOWN_FEED");
        assert_eq!(refused(Changes { states: vec!["x".into()], ..Changes::default() }), "UNKNOWN_STATE");
        assert_eq!(refused(Changes { kinds: vec!["x".into()], ..Changes::default() }), "UNKNOWN_KIND");
    }
}
