//! What is known of the matter when a declaration is judged: gathered by the gateway, judged without looking anywhere else.

use crate::domain::{
    credit_code::CreditCode,
    dates::CivilDate,
    enterprise_file::is_valid_on,
    life_cycle::{Standing, State},
    names::{form_key, strict_key},
    products::ProductKind,
    records::{Attribution, Disposition, EnterpriseSurvey, ExportQualification, Nonconformity, Party, RecordReference, Role},
    regions::Region,
};

/// A nonconformity that may be about the declared goods.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The revision in force.
    pub record: RecordReference,
    /// What it says.
    pub matter: Nonconformity,
    /// The code its producer's name was resolved to at publish or by a later decision, if it gave none.
    pub resolved: Option<CreditCode>,
    /// Where it stands after its dispositions.
    pub standing: Standing,
    /// Day of the clearance, for a cleared one; `None` = not known.
    pub cleared_on: Option<CivilDate>,
    /// Who received goods of the batch. Reasons never say who: consignees are restricted.
    pub consignees: Vec<Consigned>,
}

/// Who received goods of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consigned {
    /// Code, if given.
    pub code: Option<CreditCode>,
    /// Name.
    pub name: NameKeys,
}

impl Consigned {
    /// The consignees of a disposition.
    #[must_use]
    pub fn of(disposition: &Disposition) -> Vec<Self> {
        let party = |party: &Party| Self { code: party.credit_code, name: NameKeys::of(&party.name) };
        disposition.consignees.iter().map(|consignee| party(&consignee.party)).collect()
    }
}

impl Candidate {
    pub(super) fn code(&self) -> Option<CreditCode> {
        self.matter.producer.credit_code.or(self.resolved)
    }

    /// A code that the publisher itself gave, or a resolved name of a producer that is not merely read off a label.
    pub(super) fn is_surely_attributed(&self) -> bool {
        self.matter.producer.credit_code.is_some()
            || matches!(self.matter.attribution, Attribution::SampledAtProducer | Attribution::Confirmed)
    }

    /// What the regime counts: published, and confirmed or later (domain.md §6).
    pub(super) fn counts_for_the_regime(&self) -> bool {
        self.matter.published_on.is_some() && !matches!(self.standing.state, State::Detected | State::Notified | State::Disputed)
    }
}

/// One enterprise of the survey register.
#[derive(Debug, Clone)]
pub struct SurveyEntry {
    /// The revision in force.
    pub record: RecordReference,
    /// Its code.
    pub code: CreditCode,
    /// Its name.
    pub name: NameKeys,
    /// Its region.
    pub region: Option<Region>,
    /// It makes masks.
    pub makes_masks: bool,
}

impl SurveyEntry {
    /// Reads an entry; `None` for a row without a code, which identifies nobody.
    #[must_use]
    pub fn read(record: RecordReference, survey: &EnterpriseSurvey) -> Option<Self> {
        let code = survey.enterprise.credit_code?;
        Some(Self {
            record,
            code,
            name: NameKeys::of(&survey.enterprise.name),
            region: region_of(&survey.enterprise),
            makes_masks: survey.roles.contains(&Role::MaskMaker),
        })
    }
}

/// One entry of the allow-list.
#[derive(Debug, Clone)]
pub struct QualificationEntry {
    /// The revision in force.
    pub record: RecordReference,
    /// Whose.
    pub code: CreditCode,
    /// Product kinds covered; empty = all.
    pub product_kinds: Vec<ProductKind>,
    /// First day.
    pub valid_from: CivilDate,
    /// Last day; `None` = open.
    pub valid_to: Option<CivilDate>,
}

impl QualificationEntry {
    /// Reads an entry; `None` without a code.
    #[must_use]
    pub fn read(record: RecordReference, qualification: &ExportQualification) -> Option<Self> {
        Some(Self {
            record,
            code: qualification.enterprise.credit_code?,
            product_kinds: qualification.product_kinds.clone(),
            valid_from: qualification.valid_from,
            valid_to: qualification.valid_to,
        })
    }

    /// True on its first and last day and between.
    #[must_use]
    pub fn is_valid_on(&self, day: CivilDate) -> bool {
        is_valid_on(self.valid_from, self.valid_to, day)
    }
}

/// Everything known of the matter, as of one position.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Nonconformities, by position.
    pub candidates: Vec<Candidate>,
    /// Survey entries of the parties, by position.
    pub surveys: Vec<SurveyEntry>,
    /// Allow-list entries of the parties, by position.
    pub qualifications: Vec<QualificationEntry>,
    /// More was found than could be read.
    pub truncated: bool,
}

/// The keys a name is compared by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameKeys {
    /// Strict key; empty = no name.
    pub strict: String,
    /// Form key; empty = no name.
    pub form: String,
}

impl NameKeys {
    /// The keys of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { strict: strict_key(name), form: form_key(name) }
    }

    /// Strict or form key equal; blank never equals blank.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        (!self.strict.is_empty() && self.strict == other.strict) || (!self.form.is_empty() && self.form == other.form)
    }
}

/// Region of an enterprise: stated, else that of its code.
pub(super) fn region_of(party: &Party) -> Option<Region> {
    party.region.or_else(|| party.credit_code.and_then(|code| region_of_code(&code)))
}

/// Region of a code, where its six digits name a known one.
pub(super) fn region_of_code(code: &CreditCode) -> Option<Region> {
    Region::parse(code.region_prefix()).filter(|region| region.is_known())
}
