//! Who takes part, and with which systems.

use crate::domain::{
    digest::Digest,
    ids::{ParticipantId, SystemId},
    regions::Region,
    violation::Text,
};

/// What a participant is in the exchange; its default rights follow (design.md §2, domain.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParticipantRole {
    /// The national market regulator (国家市场监督管理总局).
    NationalRegulator,
    /// A regional market regulator (省级市场监管部门, 兵团).
    Regulator,
    /// Customs (海关).
    Customs,
    /// Commerce (商务).
    Commerce,
    /// Development and reform (发展改革).
    DevelopmentReform,
    /// Industry and information technology (工业和信息化).
    Industry,
}

impl ParticipantRole {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::NationalRegulator, Self::Regulator, Self::Customs, Self::Commerce, Self::DevelopmentReform, Self::Industry];
    /// The roles of market regulators.
    pub const REGULATORS: [Self; 2] = [Self::NationalRegulator, Self::Regulator];

    /// Token as in configuration.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::NationalRegulator => "national_regulator",
            Self::Regulator => "regulator",
            Self::Customs => "customs",
            Self::Commerce => "commerce",
            Self::DevelopmentReform => "development_reform",
            Self::Industry => "industry",
        }
    }

    /// The role of that token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.token() == token)
    }

    /// Its name in Chinese.
    #[must_use]
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::NationalRegulator => "国家市场监管部门",
            Self::Regulator => "地方市场监管部门",
            Self::Customs => "海关",
            Self::Commerce => "商务主管部门",
            Self::DevelopmentReform => "发展改革部门",
            Self::Industry => "工业和信息化部门",
        }
    }
}

/// An organisation admitted to the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its name in record ids and evidence.
    pub id: ParticipantId,
    /// Its name in Chinese.
    pub name_zh: String,
    /// What it is.
    pub role: ParticipantRole,
    /// Region it is competent for; `None` = nationwide.
    pub region: Option<Region>,
}

impl Participant {
    /// What to say when it publishes about a region that is not its own: a remark, never a refusal, since a bureau may file for
    /// others (domain.md §9). `None` when there is nothing to say.
    #[must_use]
    pub fn region_remark(&self, region: Option<Region>) -> Option<Text> {
        let (own, region) = (self.region?, region?);
        if !own.contradicts(region) {
            return None;
        }
        let (id, own, other) = (&self.id, own.code(), region.code());
        Some(Text::new(
            format!("{id} 的管辖地区为 {own}，本条记录的地区为 {other}；如系代报可忽略，否则请核对"),
            format!(
                "{id} is competent for region {own} and this record is about {other}: fine when filed for others, else check it"
            ),
        ))
    }
}

/// A certificate-bearing client of a participant. It is recognised by the URI in its certificate, or by the certificate itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its name.
    pub id: SystemId,
    /// URI in the subject alternative name of its certificates, e.g. `spiffe://tongbao.example/gacc/risk-control`; `None` = it is
    /// recognised by pinned certificates alone.
    pub uri: Option<String>,
    /// SHA-256 of its pinned certificates; two during rotation.
    pub fingerprints: Vec<Digest>,
}
