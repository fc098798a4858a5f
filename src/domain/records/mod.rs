//! Kinds of record as checked values. Fields hold parsed types; `check` adds the rules that span fields.
//!
//! A value of these types is well-formed but not yet admitted: rights, revisions and life-cycle steps are decided later.
//! Sources of the fields: notice 市监质监〔2020〕51号 (annex), published lists, GB 32100-2015; see `docs/domain.md`.

mod check;
mod disposition;
mod enterprise_survey;
pub mod examples;
mod export_action;
mod export_qualification;
mod nonconformity;
mod party;
mod producer_decision;
mod reply;
mod sampling_summary;
mod token;
mod urgent_notice;

pub use check::{BODY_LIMIT, CheckContext, LIST_LIMIT, TEXT_LIMIT};
pub use disposition::{Consignee, Disposition, TrackChange, TrackKind, TrackScope, TrackStep};
pub use enterprise_survey::{EnterpriseSurvey, Role};
pub use export_action::{CustomsAction, ExportAction, RecordReference};
pub use export_qualification::ExportQualification;
pub use nonconformity::{Attribution, InspectionResult, Level, Nonconformity, SamplingField};
pub use party::Party;
pub use producer_decision::ProducerDecision;
pub use reply::{Doubt, DoubtAnswer, DoubtOutcome, NoticeAcknowledgement};
pub use sampling_summary::SamplingSummary;
pub use token::Token;
pub(in crate::domain) use token::tokens;
pub use urgent_notice::{Severity, UrgentNotice};

use super::{feeds::Feed, ids::RecordId, life_cycle::State, violation::Findings};

/// The kind of matter a record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A failed inspection of one batch (不合格).
    Nonconformity,
    /// A later step about a nonconformity (处置).
    Disposition,
    /// One row of the survey of producers (摸底).
    EnterpriseSurvey,
    /// One entry of the allow-list (出口资质).
    ExportQualification,
    /// What customs did with a declaration (海关处置).
    ExportAction,
    /// A major problem or emergency (紧急通报).
    UrgentNotice,
    /// A recipient doubts a record (疑义).
    Doubt,
    /// The answer to a doubt (疑义答复).
    DoubtAnswer,
    /// An addressee has taken note of an urgent notice (签收).
    NoticeAcknowledgement,
    /// Numbers of a sampling campaign (抽查汇总).
    SamplingSummary,
    /// What an operator decided about a producer named without a code (生产者认定).
    ProducerDecision,
}

impl Kind {
    /// All kinds; the index is stable and is what stores keep (from 1).
    pub const ALL: [Self; 11] = [
        Self::Nonconformity,
        Self::Disposition,
        Self::EnterpriseSurvey,
        Self::ExportQualification,
        Self::ExportAction,
        Self::UrgentNotice,
        Self::Doubt,
        Self::DoubtAnswer,
        Self::NoticeAcknowledgement,
        Self::SamplingSummary,
        Self::ProducerDecision,
    ];

    /// Stable number, from 1, as in the protocol.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Nonconformity => 1,
            Self::Disposition => 2,
            Self::EnterpriseSurvey => 3,
            Self::ExportQualification => 4,
            Self::ExportAction => 5,
            Self::UrgentNotice => 6,
            Self::Doubt => 7,
            Self::DoubtAnswer => 8,
            Self::NoticeAcknowledgement => 9,
            Self::SamplingSummary => 10,
            Self::ProducerDecision => 12,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Token as in field paths and on the command line.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Nonconformity => "nonconformity",
            Self::Disposition => "disposition",
            Self::EnterpriseSurvey => "enterprise_survey",
            Self::ExportQualification => "export_qualification",
            Self::ExportAction => "export_action",
            Self::UrgentNotice => "urgent_notice",
            Self::Doubt => "doubt",
            Self::DoubtAnswer => "doubt_answer",
            Self::NoticeAcknowledgement => "notice_acknowledgement",
            Self::SamplingSummary => "sampling_summary",
            Self::ProducerDecision => "producer_decision",
        }
    }

    /// The feed it belongs to.
    #[must_use]
    pub const fn feed(self) -> Feed {
        match self {
            Self::Nonconformity | Self::Disposition | Self::SamplingSummary | Self::ProducerDecision => Feed::FailedProducts,
            Self::EnterpriseSurvey => Feed::Enterprises,
            Self::ExportQualification => Feed::ExportQualifications,
            Self::ExportAction => Feed::ExportActions,
            Self::UrgentNotice | Self::NoticeAcknowledgement => Feed::Notices,
            Self::Doubt | Self::DoubtAnswer => Feed::Doubts,
        }
    }

    /// True when publishers write it themselves. The others come from acts of operators.
    #[must_use]
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::ProducerDecision)
    }

    /// True when the kind has a restricted section.
    #[must_use]
    pub const fn has_restricted(self) -> bool {
        matches!(self, Self::Disposition | Self::EnterpriseSurvey)
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The matter.
    pub matter: Matter,
    /// Set when this revision withdraws the record: why.
    pub withdrawal: Option<String>,
}

/// The matter of a record, by kind. Restricted parts are `None` where withheld or absent.
#[derive(Debug, Clone, PartialEq)]
pub enum Matter {
    /// See [`Nonconformity`].
    Nonconformity(Box<Nonconformity>),
    /// See [`Disposition`].
    Disposition(Box<Disposition>),
    /// See [`EnterpriseSurvey`].
    EnterpriseSurvey(Box<EnterpriseSurvey>),
    /// See [`ExportQualification`].
    ExportQualification(Box<ExportQualification>),
    /// See [`ExportAction`].
    ExportAction(Box<ExportAction>),
    /// See [`UrgentNotice`].
    UrgentNotice(Box<UrgentNotice>),
    /// See [`Doubt`].
    Doubt(Box<Doubt>),
    /// See [`DoubtAnswer`].
    DoubtAnswer(Box<DoubtAnswer>),
    /// See [`NoticeAcknowledgement`].
    NoticeAcknowledgement(Box<NoticeAcknowledgement>),
    /// See [`SamplingSummary`].
    SamplingSummary(Box<SamplingSummary>),
    /// See [`ProducerDecision`].
    ProducerDecision(Box<ProducerDecision>),
}

impl Matter {
    /// The record that a reply replies to.
    #[must_use]
    pub fn replies_to(&self) -> Option<&RecordId> {
        match self {
            Self::Doubt(matter) => Some(&matter.about.record_id),
            Self::DoubtAnswer(matter) => Some(&matter.doubt),
            Self::NoticeAcknowledgement(matter) => Some(&matter.notice),
            _ => None,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Nonconformity(_) => Kind::Nonconformity,
            Self::Disposition(_) => Kind::Disposition,
            Self::EnterpriseSurvey(_) => Kind::EnterpriseSurvey,
            Self::ExportQualification(_) => Kind::ExportQualification,
            Self::ExportAction(_) => Kind::ExportAction,
            Self::UrgentNotice(_) => Kind::UrgentNotice,
            Self::Doubt(_) => Kind::Doubt,
            Self::DoubtAnswer(_) => Kind::DoubtAnswer,
            Self::NoticeAcknowledgement(_) => Kind::NoticeAcknowledgement,
            Self::SamplingSummary(_) => Kind::SamplingSummary,
            Self::ProducerDecision(_) => Kind::ProducerDecision,
        }
    }
}

impl Content {
    /// Checks the matter and the reason of a withdrawal; field paths begin with the kind, e.g. `nonconformity.producer.name`.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        findings.within(self.matter.kind().token(), |findings| {
            match &self.matter {
                Matter::Nonconformity(matter) => matter.check(context, findings),
                Matter::Disposition(matter) => matter.check(context, findings),
                Matter::EnterpriseSurvey(matter) => matter.check(context, findings),
                Matter::ExportQualification(matter) => matter.check(context, findings),
                Matter::ExportAction(matter) => matter.check(context, findings),
                Matter::UrgentNotice(matter) => matter.check(context, findings),
                Matter::Doubt(matter) => matter.check(context, findings),
                Matter::DoubtAnswer(matter) => matter.check(context, findings),
                Matter::NoticeAcknowledgement(matter) => matter.check(context, findings),
                Matter::SamplingSummary(matter) => matter.check(context, findings),
                Matter::ProducerDecision(matter) => matter.check(context, findings),
            }
            if let Some(reason) = &self.withdrawal {
                check::required_text(findings, "withdrawal.reason", reason);
            }
        });
    }
}

#[cfg(test)]
mod tests;
