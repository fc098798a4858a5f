//! The flags that make a subscription.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        Context, Failure,
        attest::{feed_named, first_moment},
    },
    domain::{credit_code::CreditCode, life_cycle::State, records::Kind},
    proto::{CreateSubscriptionRequest, Filter, OnDeadLetter, Ordering, StartAt, SubscriptionSettings, start_at::At},
};

/// In what order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// A revision waits for the earlier ones of its enterprise.
    PerEnterprise,
    /// A revision waits for every earlier one.
    Total,
}

/// Settings of a new subscription (with `--create`).
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "With --create")]
pub(super) struct Settings {
    /// Only this feed; may be repeated.
    #[arg(long = "feed", value_name = "FEED", requires = "create")]
    feeds: Vec<String>,
    /// Only this kind of record, e.g. nonconformity; may be repeated.
    #[arg(long = "kind", value_name = "KIND", requires = "create")]
    kinds: Vec<String>,
    /// Only regions whose code begins so, e.g. 33; may be repeated.
    #[arg(long = "region", value_name = "PREFIX", requires = "create")]
    regions: Vec<String>,
    /// Only this kind of product, e.g. `daily_protective`; may be repeated.
    #[arg(long = "product", value_name = "TOKEN", requires = "create")]
    products: Vec<String>,
    /// Only where this item failed, e.g. `filtration_efficiency`; may be repeated.
    #[arg(long = "item", value_name = "TOKEN", requires = "create")]
    items: Vec<String>,
    /// Only nonconformities in this state, e.g. confirmed; may be repeated.
    #[arg(long = "state", value_name = "STATE", requires = "create")]
    states: Vec<String>,
    /// Only this enterprise; may be repeated.
    #[arg(long = "code", value_name = "CREDIT_CODE", requires = "create")]
    codes: Vec<String>,
    /// Where to start: earliest (default), latest, snapshot (what holds now, then all that follows), a position, or a time.
    #[arg(long, value_name = "WHERE", requires = "create")]
    start: Option<String>,
    /// In what order.
    #[arg(long, value_enum, requires = "create")]
    order: Option<Order>,
    /// A dead letter blocks the later revisions of its enterprise.
    #[arg(long, requires = "create")]
    block_on_dead_letter: bool,
    /// Lease of a delivery, 5 to 43,200 s.
    #[arg(long, value_name = "SECONDS", requires = "create")]
    lease: Option<u32>,
    /// Failures before a delivery becomes a dead letter, 1 to 100.
    #[arg(long, value_name = "N", requires = "create")]
    max_attempts: Option<u32>,
    /// Purpose for which the data is taken, where a feed asks for one.
    #[arg(long, value_name = "TEXT", requires = "create")]
    purpose: Option<String>,
}

impl Settings {
    /// The request that makes the subscription, if it is to be made.
    pub(super) fn request(
        self,
        name: &str,
        create: bool,
        context: &Context,
    ) -> Result<Option<CreateSubscriptionRequest>, Failure> {
        if !create {
            return Ok(None);
        }
        let start = self.start.as_deref().map(|text| start(text, context)).transpose()?;
        let order = self.order;
        let settings = SubscriptionSettings {
            ordering: match order {
                None => Ordering::Unspecified,
                Some(Order::PerEnterprise) => Ordering::PerEnterprise,
                Some(Order::Total) => Ordering::Total,
            }
            .into(),
            on_dead_letter: if self.block_on_dead_letter { OnDeadLetter::Block } else { OnDeadLetter::Unspecified }.into(),
            lease_seconds: self.lease.unwrap_or_default(),
            max_attempts: self.max_attempts.unwrap_or_default(),
            purpose: self.purpose.clone().unwrap_or_default(),
            filter: Some(self.filter()?),
            ..SubscriptionSettings::default()
        };
        Ok(Some(CreateSubscriptionRequest { name: name.to_owned(), settings: Some(settings), start }))
    }

    fn filter(self) -> Result<Filter, Failure> {
        for feed in &self.feeds {
            feed_named(feed)?;
        }
        let kinds = self.kinds.iter().map(|token| kind_named(token)).collect::<Result<_, _>>()?;
        for token in &self.states {
            state_named(token)?;
        }
        let credit_codes = self.codes.iter().map(|text| code(text)).collect::<Result<_, _>>()?;
        Ok(Filter {
            feeds: self.feeds,
            kinds,
            region_prefixes: self.regions,
            product_kinds: self.products,
            failed_items: self.items,
            states: self.states,
            credit_codes,
        })
    }
}

pub(in crate::cli) fn kind_named(token: &str) -> Result<i32, Failure> {
    let found = Kind::ALL.into_iter().find(|kind| kind.token() == token);
    found.map(|kind| i32::from(kind.number())).ok_or_else(|| unknown("UNKNOWN_KIND", token, &Kind::ALL.map(Kind::token)))
}

pub(in crate::cli) fn state_named(token: &str) -> Result<(), Failure> {
    match State::parse(token) {
        Some(_) => Ok(()),
        None => Err(unknown("UNKNOWN_STATE", token, &State::ALL.map(State::token))),
    }
}

fn unknown(reason: &str, read: &str, known: &[&str]) -> Failure {
    let known = known.join(", ");
    Failure::usage(reason, format!("不认识“{read}”；可用：{known}"), format!("`{read}` is not known; there are {known}"))
}

pub(in crate::cli) fn code(text: &str) -> Result<String, Failure> {
    CreditCode::parse(text).map(|code| code.as_str().to_owned()).map_err(|error| {
        let said = error.text();
        Failure::usage(error.reason(), said.zh, said.en)
    })
}

fn start(text: &str, context: &Context) -> Result<StartAt, Failure> {
    let at = match (text, text.parse()) {
        ("earliest", _) => At::Earliest(true),
        ("latest", _) => At::Latest(true),
        ("snapshot", _) => At::Snapshot(true),
        (_, Ok(position)) => At::Position(position),
        _ => At::TimeUs(first_moment(text, context)?),
    };
    Ok(StartAt { at: Some(at) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    #[test]
    fn starts_are_words_positions_or_times() {
        let context = Context::new(Global::default());
        let at = |text: &str| start(text, &context).expect("a start").at.expect("one");
        assert_eq!(at("snapshot"), At::Snapshot(true));
        assert_eq!(at("17"), At::Position(17));
        assert_eq!(at("2020-05-15"), At::TimeUs(1_589_472_000_000_000), "the day from its beginning");
        assert!(start("soon", &context).is_err());
    }

    #[test]
    fn unknown_words_are_refused_here() {
        let context = Context::new(Global::default());
        let refused = |settings: Settings| settings.request("a", true, &context).expect_err("unknown").reason;
        assert_eq!(refused(Settings { feeds: vec!["x".into()], ..Settings::default() }), "UNKNOWN_FEED");
        assert_eq!(refused(Settings { kinds: vec!["x".into()], ..Settings::default() }), "UNKNOWN_KIND");
        assert_eq!(refused(Settings { states: vec!["x".into()], ..Settings::default() }), "UNKNOWN_STATE");
        assert!(Settings::default().request("a", false, &context).expect("nothing to make").is_none());
        let kinds = vec!["nonconformity".into(), "disposition".into()];
        let made = Settings { kinds, ..Settings::default() }.request("a", true, &context).expect("good").expect("made");
        assert_eq!(made.settings.and_then(|settings| settings.filter).expect("filter").kinds, [1, 2]);
    }
}
