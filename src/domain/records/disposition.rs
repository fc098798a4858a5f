//! A later step about a nonconformity (处置).

use super::{Party, token::tokens};
use crate::domain::{dates::CivilDate, ids::RecordId, life_cycle::State};

tokens! {
    /// A track that runs beside the state (domain.md §5).
    pub enum TrackKind {
        Sealing = "sealing", "查封";
        Seizure = "seizure", "扣押";
        Case = "case", "立案";
        Transfer = "transfer", "移送";
        Recall = "recall", "召回";
        MeltblownTrace = "meltblown_trace", "熔喷布追溯";
        FollowUp = "follow_up", "回头看";
    }
}

tokens! {
    /// What a track applies to.
    #[derive(Default)]
    pub enum TrackScope {
        /// (also where nothing is stated)
        #[default]
        Batch = "batch", "不合格批次";
        /// (the same product of the producer)
        Product = "product", "同种产品";
        /// (the whole enterprise)
        Enterprise = "enterprise", "企业";
    }
}

tokens! {
    /// A step of a track.
    pub enum TrackStep {
        Open = "open", "开始";
        Extend = "extend", "延长";
        Close = "close", "结束";
    }
}

/// A step on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
