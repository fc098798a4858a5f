//! What queries and filters need of a revision, beside its bytes.

use super::{
    credit_code::CreditCode,
    digest::index_key,
    draft::OrderKey,
    feeds::Feed,
    ids::ParticipantId,
    items::InspectionItem,
    life_cycle::Step,
    names::{core_key, form_key, normalise_text, strict_key},
    products::ProductKind,
    records::{Content, EnterpriseSurvey, Kind, Matter, Nonconformity, Party},
    regions::Region,
    standards::Standard,
};

/// What queries and filters need of a revision. Derived from the content at the door; for a disposition the region, kinds,
/// items and enterprise are those of its nonconformity, filled in when it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Kind of record; its feed follows.
    pub kind: Kind,
    /// True when this revision withdraws the record.
    pub withdrawn: bool,
    /// Region of the producer, else of the publisher.
    pub region: Option<Region>,
    /// Set of product kinds, one bit each (`ProductKind::bit`).
    pub product_kinds: u32,
    /// Set of failed items, one bit each (`InspectionItem::bit`).
    pub failed_items: u64,
    /// For a nonconformity its initial state, for a disposition its step: state change and track.
    pub step: Option<Step>,
    /// The enterprise: given, or resolved at publish.
    pub credit_code: Option<CreditCode>,
    /// Strict key of the enterprise's name (`names::strict_key`); empty = none.
    pub name_key: String,
    /// True when result is published (`published_on` is set); always true for other kinds.
    pub published: bool,
}

impl Attributes {
    /// The feed.
    #[must_use]
    pub const fn feed(&self) -> Feed {
        self.kind.feed()
    }
}

/// A key under which a record can be found: an index key over a labelled text.
///
/// | label | text | of |
/// |---|---|---|
/// | `code` | credit code | nonconformity, survey, qualification; action and notice where they name one |
/// | `name`, `form` | strict and form key of the producer | nonconformity without a code |
/// | `batch` | normalised batch | nonconformity |
/// | `brand` | normalised brand | nonconformity with a batch |
/// | `seller` | code, else strict key, of the sampled party, of a consignee | nonconformity, disposition |
/// | `survey-name`, `survey-form`, `survey-core` | strict, form and core key of the enterprise | survey |
/// | `refers` | id of the nonconformity | disposition, decision on its producer |
/// | `code` | code of its nonconformity, or that its producer's name resolved to; added at commit | disposition, nonconformity without a code |
/// | `code` | code decided on | decision on a producer |
/// | `declaration` | declaration number | action |
/// | `doubts` | id of the record doubted | doubt |
/// | `answers` | id of the doubt or notice | answer, acknowledgement |
///
/// Kept few on purpose: every key is a row to write for every revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey(pub i64);

impl SubjectKey {
    /// The key for a label and text.
    #[must_use]
    pub fn of(label: &str, text: &str) -> Self {
        Self(index_key(label, text))
    }
}

/// Derives the attributes. A disposition has only its step: the rest is its nonconformity's and is filled in at commit.
pub fn attributes_of(content: &Content, publisher_region: Option<Region>) -> Attributes {
    let none = Attributes {
        kind: content.matter.kind(),
        withdrawn: content.withdrawal.is_some(),
        region: publisher_region,
        product_kinds: 0,
        failed_items: 0,
        step: None,
        credit_code: None,
        name_key: String::new(),
        published: true,
    };
    match &content.matter {
        Matter::Nonconformity(matter) => Attributes {
            product_kinds: kinds_of(matter),
            failed_items: set64(matter.items.iter().filter(|item| item.failed).map(|item| &item.item)),
            step: Some(Step::Begin(matter.initial_state)),
            published: matter.published_on.is_some(),
            ..of_enterprise(&matter.producer, none)
        },
        Matter::Disposition(matter) => {
            Attributes { region: None, step: Some(Step::Change { state: matter.change, track: matter.track }), ..none }
        }
        Matter::EnterpriseSurvey(matter) => {
            Attributes { product_kinds: set32(&matter.product_kinds), ..of_enterprise(&matter.enterprise, none) }
        }
        Matter::ExportQualification(matter) => {
            Attributes { product_kinds: set32(&matter.product_kinds), ..of_enterprise(&matter.enterprise, none) }
        }
        Matter::ExportAction(matter) => Attributes {
            region: matter.maker.and_then(|code| code.region()).filter(|region| region.is_known()).or(publisher_region),
            credit_code: matter.maker,
            ..none
        },
        Matter::SamplingSummary(matter) => {
            Attributes { product_kinds: matter.product_kind.bit(), region: Some(matter.region), ..none }
        }
        // All else is that of the record replied to, and filled in when it is committed.
        Matter::Doubt(_) | Matter::DoubtAnswer(_) | Matter::NoticeAcknowledgement(_) => none,
        Matter::UrgentNotice(matter) => {
            let region = match matter.regions.as_slice() {
                [only] => Some(*only),
                _ => publisher_region,
            };
            let none = Attributes { product_kinds: set32(&matter.product_kinds), region, ..none };
            match &matter.enterprise {
                Some(enterprise) => of_enterprise(enterprise, none),
                None => none,
            }
        }
        // The rest is its nonconformity's.
        Matter::ProducerDecision(matter) => Attributes { region: None, credit_code: matter.credit_code, ..none },
    }
}

/// Region as stated, else where the code was registered, else as given.
fn of_enterprise(party: &Party, mut given: Attributes) -> Attributes {
    let registered = || party.credit_code.and_then(|code| code.region()).filter(|region| region.is_known());
    given.region = party.region.or_else(registered).or(given.region);
    given.credit_code = party.credit_code;
    given.name_key = strict_key(&party.name);
    given
}

/// The kind as stated, else those of the claimed standards: a filter on kinds should not miss what the standard tells.
fn kinds_of(matter: &Nonconformity) -> u32 {
    match &matter.product_kind {
        Some(kind) => kind.bit(),
        None => matter.claimed_standards.iter().filter_map(Standard::category).fold(0, |set, kind| set | kind.bit()),
    }
}

fn set32(kinds: &[ProductKind]) -> u32 {
    kinds.iter().fold(0, |set, kind| set | kind.bit())
}

fn set64<'a>(items: impl Iterator<Item = &'a InspectionItem>) -> u64 {
    items.fold(0, |set, item| set | item.bit())
}

/// The keys under which a record can be found; see [`SubjectKey`].
pub fn subjects_of(content: &Content) -> Vec<SubjectKey> {
    let code = |code: Option<CreditCode>| code.map(|code| SubjectKey::of("code", code.as_str()));
    match &content.matter {
        Matter::Nonconformity(matter) => of_nonconformity(matter),
        Matter::Disposition(matter) => {
            let consignees = matter.consignees.iter().map(|consignee| seller(&consignee.party));
            std::iter::once(SubjectKey::of("refers", matter.nonconformity.as_str())).chain(consignees).collect()
        }
        Matter::EnterpriseSurvey(matter) => of_survey(matter),
        Matter::ExportQualification(matter) => code(matter.enterprise.credit_code).into_iter().collect(),
        Matter::ExportAction(matter) => {
            [Some(SubjectKey::of("declaration", &matter.declaration_number)), code(matter.maker)].into_iter().flatten().collect()
        }
        Matter::Doubt(matter) => vec![SubjectKey::of("doubts", matter.about.record_id.as_str())],
        Matter::SamplingSummary(_) => Vec::new(),
        Matter::DoubtAnswer(matter) => vec![SubjectKey::of("answers", matter.doubt.as_str())],
        Matter::NoticeAcknowledgement(matter) => vec![SubjectKey::of("answers", matter.notice.as_str())],
        Matter::UrgentNotice(matter) => {
            code(matter.enterprise.as_ref().and_then(|enterprise| enterprise.credit_code)).into_iter().collect()
        }
        Matter::ProducerDecision(matter) => {
            [Some(SubjectKey::of("refers", matter.nonconformity.as_str())), code(matter.credit_code)]
                .into_iter()
                .flatten()
                .collect()
        }
    }
}

fn of_nonconformity(matter: &Nonconformity) -> Vec<SubjectKey> {
    let mut keys = Vec::with_capacity(5);
    match matter.producer.credit_code {
        Some(code) => keys.push(SubjectKey::of("code", code.as_str())),
        None => push_names(&mut keys, &matter.producer.name, ["name", "form"]),
    }
    let batch = normalise_text(&matter.batch);
    if !batch.is_empty() {
        keys.push(SubjectKey::of("batch", &batch));
        let brand = normalise_text(&matter.brand);
        if !brand.is_empty() {
            keys.push(SubjectKey::of("brand", &brand));
        }
    }
    if let Some(seller) = &matter.sampled_party {
        keys.push(self::seller(seller));
    }
    keys
}

fn seller(party: &Party) -> SubjectKey {
    match party.credit_code {
        Some(code) => SubjectKey::of("seller", code.as_str()),
        None => SubjectKey::of("seller", &strict_key(&party.name)),
    }
}

fn of_survey(matter: &EnterpriseSurvey) -> Vec<SubjectKey> {
    let mut keys = Vec::with_capacity(4);
    keys.extend(matter.enterprise.credit_code.map(|code| SubjectKey::of("code", code.as_str())));
    keys.extend(survey_keys(&matter.enterprise.name));
    keys
}

/// The keys under which a survey row of that name is filed: strict, form and core. The core alone never resolves a name, it finds
/// candidates for a person. A core that is empty, as of a name that is nothing but a region, finds nobody.
#[must_use]
pub fn survey_keys(name: &str) -> Vec<SubjectKey> {
    let mut keys = Vec::with_capacity(3);
    push_names(&mut keys, name, ["survey-name", "survey-form"]);
    let core = core_key(&strict_key(name));
    if !core.is_empty() {
        keys.push(SubjectKey::of("survey-core", &core));
    }
    keys
}

fn push_names(keys: &mut Vec<SubjectKey>, name: &str, [strict_label, form_label]: [&str; 2]) {
    let strict = strict_key(name);
    if !strict.is_empty() {
        keys.push(SubjectKey::of(strict_label, &strict));
        keys.push(SubjectKey::of(form_label, &form_key(name)));
    }
}

/// The key that deliveries of a new record are ordered by. A disposition or decision follows its nonconformity, whose key it takes at commit;
/// until then its key names the record it refers to.
pub fn order_key_of(content: &Content, publisher: &ParticipantId) -> OrderKey {
    let of_party = |party: &Party| match party.credit_code {
        Some(code) => code.as_str().to_owned(),
        None => format!("{publisher}/{}", strict_key(&party.name)),
    };
    let text = match &content.matter {
        Matter::Nonconformity(matter) => of_party(&matter.producer),
        Matter::Disposition(matter) => matter.nonconformity.to_string(),
        Matter::ProducerDecision(matter) => matter.nonconformity.to_string(),
        Matter::EnterpriseSurvey(matter) => of_party(&matter.enterprise),
        Matter::ExportQualification(matter) => of_party(&matter.enterprise),
        Matter::ExportAction(matter) => match matter.maker {
            Some(code) => code.as_str().to_owned(),
            None => format!("{publisher}/{}", matter.declaration_number),
        },
        Matter::UrgentNotice(matter) => match &matter.enterprise {
            Some(enterprise) => of_party(enterprise),
            None => format!("{publisher}/notices"),
        },
        Matter::Doubt(matter) => matter.about.record_id.to_string(),
        Matter::SamplingSummary(_) => format!("{publisher}/sampling"),
        Matter::DoubtAnswer(matter) => matter.doubt.to_string(),
        Matter::NoticeAcknowledgement(matter) => matter.notice.to_string(),
    };
    OrderKey(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::RecordId,
        life_cycle::State,
        records::{Attribution, examples},
    };

    fn content(matter: Matter) -> Content {
        Content { matter, withdrawal: None }
    }

    fn publisher() -> ParticipantId {
        ParticipantId::parse("amr-330000").expect("a participant")
    }

    #[test]
    fn a_nonconformity_with_a_code_is_found_by_code_batch_and_brand() {
        let matter = examples::nonconformity(0);
        let code = matter.producer.credit_code.expect("a code");
        let content = content(Matter::Nonconformity(Box::new(matter)));
        let found = attributes_of(&content, None);
        assert_eq!(found.region.map(Region::number), Some(330_600));
        assert_eq!((found.credit_code, found.published, found.withdrawn), (Some(code), true, false));
        assert_eq!(found.step, Some(Step::Begin(State::Confirmed)));
        assert_eq!(found.product_kinds, ProductKind::DailyProtective.bit());
        assert_eq!(found.failed_items, InspectionItem::parse("filtration_efficiency").bit());
        let expected = [("code", code.as_str()), ("batch", "B0000000"), ("brand", "示例牌0")];
        assert_eq!(subjects_of(&content), expected.map(|(label, text)| SubjectKey::of(label, text)));
        assert_eq!(&*order_key_of(&content, &publisher()).0, code.as_str());
    }

    #[test]
    fn without_a_code_names_take_its_place() {
        let mut matter = examples::nonconformity(1);
        matter.producer = Party { name: "标称：示例有限责任公司".into(), ..Party::default() };
        matter.attribution = Attribution::Nominal;
        matter.batch = "--".into();
        matter.product_kind = None;
        matter.sampled_party = Some(Party { name: "示例药房".into(), ..Party::default() });
        let content = content(Matter::Nonconformity(Box::new(matter)));
        let expected = [("name", "示例有限责任公司"), ("form", "示例有限公司"), ("seller", "示例药房")];
        assert_eq!(subjects_of(&content), expected.map(|(label, text)| SubjectKey::of(label, text)));
        assert_eq!(&*order_key_of(&content, &publisher()).0, "amr-330000/示例有限责任公司");
        let found = attributes_of(&content, Region::parse("330000"));
        assert_eq!(found.region, Region::parse("330000"));
        assert_eq!(found.product_kinds, ProductKind::DailyProtective.bit(), "by the claimed standard");
    }

    #[test]
    fn a_disposition_carries_its_step_and_refers() {
        let of = RecordId::parse("amr-330000/CC2020-1").expect("an id");
        let matter = examples::disposition(of.clone(), State::Confirmed, State::Ordered);
        let content = Content { matter: Matter::Disposition(Box::new(matter)), withdrawal: Some("entry error".into()) };
        let found = attributes_of(&content, Region::parse("330000"));
        assert_eq!((found.region, found.withdrawn), (None, true));
        assert_eq!(found.step, Some(Step::Change { state: Some((State::Confirmed, State::Ordered)), track: None }));
        assert_eq!(subjects_of(&content), [SubjectKey::of("refers", of.as_str())]);
    }
}
