//! The catalogue: feeds, kinds of record, sections.

use super::records::Kind;

/// A catalogue entry. The set is fixed by the kinds of record; its policy (recipients, freshness) is configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feed {
    /// `failed-products` (不合格产品通报).
    FailedProducts,
    /// `enterprises` (企业摸底).
    Enterprises,
    /// `export-qualifications` (出口资质白名单).
    ExportQualifications,
    /// `export-actions` (海关处置).
    ExportActions,
    /// `notices` (紧急通报).
    Notices,
    /// `doubts` (疑义).
    Doubts,
}

impl Feed {
    /// All feeds in the order of the catalogue.
    pub const ALL: [Self; 6] =
        [Self::FailedProducts, Self::Enterprises, Self::ExportQualifications, Self::ExportActions, Self::Notices, Self::Doubts];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailedProducts => "failed-products",
            Self::Enterprises => "enterprises",
            Self::ExportQualifications => "export-qualifications",
            Self::ExportActions => "export-actions",
            Self::Notices => "notices",
            Self::Doubts => "doubts",
        }
    }

    /// The feed of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.name() == name)
    }

    /// The kinds of record in it.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::FailedProducts => &[Kind::Nonconformity, Kind::Disposition, Kind::SamplingSummary, Kind::ProducerDecision],
            Self::Enterprises => &[Kind::EnterpriseSurvey],
            Self::ExportQualifications => &[Kind::ExportQualification],
            Self::ExportActions => &[Kind::ExportAction],
            Self::Notices => &[Kind::UrgentNotice, Kind::NoticeAcknowledgement],
            Self::Doubts => &[Kind::Doubt, Kind::DoubtAnswer],
        }
    }
}

/// The name of a section of a record. Rights are granted by section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SectionName {
    /// What every recipient of the feed may read.
    Open,
    /// What only recipients with that right may read.
    Restricted,
}
