//! JSON forms of the few values that stores keep whole: what is never searched by, and is read by people in need.
//!
//! Names of fields are part of the stored format: add fields with a default, never rename one.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::domain::{
    attributes::Attributes,
    credit_code::CreditCode,
    delivery::{Attempt, Consumer, Ended, Filter, OnDeadLetter, Ordering, RetryPolicy, StartAt, SubscriptionSpec},
    digest::unhex,
    draft::{MatchedKey, Provenance, Resolution},
    feeds::Feed,
    ids::{Micros, Position, RecordId},
    life_cycle::{State, Step},
    records::Kind,
    regions::Region,
};

/// A value with a stored JSON form.
pub(super) trait Stored: Sized {
    /// The form.
    type Form: Serialize + DeserializeOwned;
    /// What the form is called in errors.
    const NAME: &'static str;
    /// Into the form.
    fn form(&self) -> Self::Form;
    /// Out of the form; `None` when a part of it is not possible.
    fn from_form(form: Self::Form) -> Option<Self>;
}

/// The JSON text of a value.
pub(super) fn encode<T: Stored>(value: &T) -> String {
    // Forms are plain structures with text keys: they always serialise.
    serde_json::to_string(&value.form()).unwrap_or_default()
}

/// The value of a JSON text.
pub(super) fn decode<T: Stored>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .ok()
        .and_then(T::from_form)
        .ok_or_else(|| StoreError::Damaged(format!("not a stored {}: {}", T::NAME, text.chars().take(200).collect::<String>())))
}

#[derive(Serialize, Deserialize)]
pub(super) struct AttributesForm {
    kind: u8,
    #[serde(default)]
    withdrawn: bool,
    region: Option<u32>,
    kinds: u32,
    items: u64,
    step: Option<u32>,
    code: Option<String>,
    #[serde(default)]
    name: String,
    published: bool,
}

impl Stored for Attributes {
    type Form = AttributesForm;
    const NAME: &'static str = "set of attributes";

    fn form(&self) -> AttributesForm {
        AttributesForm {
            kind: self.kind.number(),
            withdrawn: self.withdrawn,
            region: self.region.map(Region::number),
            kinds: self.product_kinds,
            items: self.failed_items,
            step: self.step.map(|step| step.pack()),
            code: self.credit_code.map(|code| code.as_str().to_owned()),
            name: self.name_key.clone(),
            published: self.published,
        }
    }

    fn from_form(form: AttributesForm) -> Option<Self> {
        Some(Self {
            kind: Kind::from_number(form.kind)?,
            withdrawn: form.withdrawn,
            region: all(form.region, Region::from_number)?,
            product_kinds: form.kinds,
            failed_items: form.items,
            step: all(form.step, Step::unpack)?,
            credit_code: all(form.code, |code| CreditCode::parse(&code).ok())?,
            name_key: form.name,
            published: form.published,
        })
    }
}

/// Converts what is there; fails when it is there and does not convert.
#[expect(clippy::option_option, reason = "the outer one says that it does not convert, the inner one that there is nothing")]
pub(super) fn all<T, U>(value: Option<T>, convert: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => convert(value).map(Some),
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ProvenanceForm {
    file: String,
    digest: String,
    sheet: String,
    row: u32,
}

impl Stored for Provenance {
    type Form = ProvenanceForm;
    const NAME: &'static str = "provenance";

    fn form(&self) -> ProvenanceForm {
        ProvenanceForm {
            file: self.file_name.clone(),
            digest: crate::domain::digest::hex(&self.file_digest),
            sheet: self.sheet.clone(),
            row: self.row,
        }
    }

    fn from_form(form: ProvenanceForm) -> Option<Self> {
        Some(Self { file_name: form.file, file_digest: unhex(&form.digest)?, sheet: form.sheet, row: form.row })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ResolutionForm {
    code: String,
    survey: String,
    position: Position,
    key: String,
}

impl Stored for Resolution {
    type Form = ResolutionForm;
    const NAME: &'static str = "resolution";

    fn form(&self) -> ResolutionForm {
        let key = match self.matched_key {
            MatchedKey::Strict => "strict",
            MatchedKey::Form => "form",
        };
        ResolutionForm {
            code: self.credit_code.as_str().to_owned(),
            survey: self.survey_record_id.as_str().to_owned(),
            position: self.survey_position,
            key: key.to_owned(),
        }
    }

    fn from_form(form: ResolutionForm) -> Option<Self> {
        Some(Self {
            credit_code: CreditCode::parse(&form.code).ok()?,
            survey_record_id: RecordId::parse(&form.survey).ok()?,
            survey_position: form.position,
            matched_key: match form.key.as_str() {
                "strict" => MatchedKey::Strict,
                "form" => MatchedKey::Form,
                _ => return None,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AttemptForm {
    at: Micros,
    attempt: u32,
    reason: String,
    consumer: String,
    #[serde(default)]
    sent: Micros,
    /// What was kept before this was noted says it by its reason, if at all.
    #[serde(default)]
    ended: String,
    #[serde(default)]
    client: String,
}

impl Stored for Vec<Attempt> {
    type Form = Vec<AttemptForm>;
    const NAME: &'static str = "history of attempts";

    fn form(&self) -> Vec<AttemptForm> {
        self.iter()
            .map(|attempt| AttemptForm {
                at: attempt.ended_at,
                attempt: attempt.number,
                reason: attempt.reason.clone(),
                consumer: attempt.consumer.system.clone(),
                sent: attempt.sent_at,
                ended: attempt.ended.token().to_owned(),
                client: attempt.consumer.client.clone(),
            })
            .collect()
    }

    fn from_form(form: Vec<AttemptForm>) -> Option<Self> {
        form.into_iter().map(attempt).collect()
    }
}

fn attempt(form: AttemptForm) -> Option<Attempt> {
    let of = |token: &str| Ended::ALL.into_iter().find(|ended| ended.token() == token);
    let ended = match form.ended.as_str() {
        "" => of(&form.reason).unwrap_or(Ended::Retry),
        token => of(token)?,
    };
    Some(Attempt {
        number: form.attempt,
        sent_at: form.sent,
        ended_at: form.at,
        ended,
        reason: form.reason,
        consumer: Consumer { system: form.consumer, client: form.client },
    })
}

#[derive(Serialize, Deserialize)]
pub(super) struct SpecForm {
    feeds: Vec<String>,
    kinds: Vec<u8>,
    regions: Vec<String>,
    product_kinds: u32,
    failed_items: u64,
    states: Vec<u8>,
    codes: Vec<String>,
    total_order: bool,
    block_on_dead_letter: bool,
    lease_ms: u64,
    lease_total_ms: u64,
    max_attempts: u32,
    initial_ms: u64,
    max_ms: u64,
    non_retryable: Vec<String>,
    pause_after_failures: u32,
    rate_per_second: u32,
    max_in_flight: u32,
    max_span: u32,
    purpose: String,
    start: StartForm,
}

#[derive(Serialize, Deserialize)]
enum StartForm {
    #[serde(rename = "earliest")]
    Earliest,
    #[serde(rename = "latest")]
    Latest,
    #[serde(rename = "position")]
    Position(Position),
    #[serde(rename = "time")]
    Time(Micros),
    #[serde(rename = "snapshot")]
    Snapshot,
}

impl Stored for SubscriptionSpec {
    type Form = SpecForm;
    const NAME: &'static str = "subscription";

    fn form(&self) -> SpecForm {
        let Filter { feeds, kinds, region_prefixes, product_kinds, failed_items, states, credit_codes } = &self.filter;
        SpecForm {
            feeds: feeds.iter().map(|feed| feed.name().to_owned()).collect(),
            kinds: kinds.iter().map(|kind| kind.number()).collect(),
            regions: region_prefixes.clone(),
            product_kinds: *product_kinds,
            failed_items: *failed_items,
            states: states.iter().map(|state| state.number()).collect(),
            codes: credit_codes.iter().map(|code| code.as_str().to_owned()).collect(),
            total_order: self.ordering == Ordering::Total,
            block_on_dead_letter: self.on_dead_letter == OnDeadLetter::Block,
            lease_ms: self.lease_ms,
            lease_total_ms: self.lease_total_ms,
            max_attempts: self.retry.max_attempts,
            initial_ms: self.retry.initial_ms,
            max_ms: self.retry.max_ms,
            non_retryable: self.retry.non_retryable.clone(),
            pause_after_failures: self.retry.pause_after_failures,
            rate_per_second: self.retry.rate_per_second,
            max_in_flight: self.max_in_flight,
            max_span: self.max_span,
            purpose: self.purpose.clone(),
            start: match self.start {
                StartAt::Earliest => StartForm::Earliest,
                StartAt::Latest => StartForm::Latest,
                StartAt::Position(position) => StartForm::Position(position),
                StartAt::Time(time) => StartForm::Time(time),
                StartAt::Snapshot => StartForm::Snapshot,
            },
        }
    }

    fn from_form(form: SpecForm) -> Option<Self> {
        Some(Self {
            filter: Filter {
                feeds: form.feeds.iter().map(|name| Feed::parse(name)).collect::<Option<_>>()?,
                kinds: form.kinds.into_iter().map(Kind::from_number).collect::<Option<_>>()?,
                region_prefixes: form.regions,
                product_kinds: form.product_kinds,
                failed_items: form.failed_items,
                states: form.states.into_iter().map(State::from_number).collect::<Option<_>>()?,
                credit_codes: form.codes.iter().map(|code| CreditCode::parse(code).ok()).collect::<Option<_>>()?,
            },
            ordering: if form.total_order { Ordering::Total } else { Ordering::PerEnterprise },
            on_dead_letter: if form.block_on_dead_letter { OnDeadLetter::Block } else { OnDeadLetter::Continue },
            lease_ms: form.lease_ms,
            lease_total_ms: form.lease_total_ms,
            retry: RetryPolicy {
                max_attempts: form.max_attempts,
                initial_ms: form.initial_ms,
                max_ms: form.max_ms,
                non_retryable: form.non_retryable,
                pause_after_failures: form.pause_after_failures,
                rate_per_second: form.rate_per_second,
            },
            max_in_flight: form.max_in_flight,
            max_span: form.max_span,
            purpose: form.purpose,
            start: match form.start {
                StartForm::Earliest => StartAt::Earliest,
                StartForm::Latest => StartAt::Latest,
                StartForm::Position(position) => StartAt::Position(position),
                StartForm::Time(time) => StartAt::Time(time),
                StartForm::Snapshot => StartAt::Snapshot,
            },
        })
    }
}
