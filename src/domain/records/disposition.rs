//! A later step about a nonconformity (处置).

use super::Party;
use crate::domain::{dates::CivilDate, ids::RecordId, life_cycle::State};

/// A track that runs beside the state (domain.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackKind {
    /// 查封
    Sealing,
    /// 扣押
    Seizure,
    /// 立案
    Case,
    /// 移送
    Transfer,
    /// 召回
    Recall,
    /// 熔喷布追溯
    MeltblownTrace,
    /// 回头看
    FollowUp,
}

/// What a track applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum TrackScope {
    /// The failed batch.
    #[default]
    Batch,
    /// The same product of the producer.
    Product,
    /// The whole enterprise.
    Enterprise,
}

/// A step of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackStep {
    /// It begins.
    Open,
    /// Its term is extended.
    Extend,
    /// It ends.
    Close,
}

/// A step on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackChange {
    /// Which track.
    pub track: TrackKind,
    /// Which step.
    pub step: TrackStep,
    /// What it applies to.
    pub scope: TrackScope,
}

/// One receiver of goods of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Consignee {
    /// Who.
    pub party: Party,
    /// Pieces.
    pub quantity: Option<u64>,
    /// Day of delivery.
    pub delivered_on: Option<CivilDate>,
}

/// A later step (state, track or measure) about a nonconformity, written by the authority competent for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Disposition {
    /// The nonconformity.
    pub nonconformity: RecordId,
    /// State change `(from, to)`; `None` for a track step or measure alone.
    pub change: Option<(State, State)>,
    /// Step on a track.
    pub track: Option<TrackChange>,
    /// The measure in words.
    pub measure: String,
    /// Authority that took it.
    pub authority: String,
    /// Number of the document.
    pub document_number: String,
    /// Legal basis.
    pub legal_basis: String,
    /// Day it was taken.
    pub taken_on: CivilDate,
    /// Day by which the next step is due.
    pub due_on: Option<CivilDate>,
    /// Reason, required to overturn or disown.
    pub reason: String,
    /// Pieces made of the batch.
    pub quantity_made: Option<u64>,
    /// Pieces sold.
    pub quantity_sold: Option<u64>,
    /// Pieces recovered.
    pub quantity_recovered: Option<u64>,
    /// Restricted: detail of the case or the transfer.
    pub case_detail: String,
    /// Restricted: who received goods of the batch.
    pub consignees: Vec<Consignee>,
}
