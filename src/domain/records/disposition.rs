//! A later step about a nonconformity (处置).

use super::{
    Party,
    check::{self, CheckContext},
    token::tokens,
};
use crate::domain::{
    dates::CivilDate,
    flow::Flow,
    ids::RecordId,
    life_cycle::State,
    violation::{Findings, Text},
};

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

impl Disposition {
    /// Checks everything that can be said of it alone; whether its step is legal is known only beside its nonconformity.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "authority", &self.authority);
        check::texts(
            findings,
            &[
                ("measure", &self.measure),
                ("document_number", &self.document_number),
                ("legal_basis", &self.legal_basis),
                ("reason", &self.reason),
                ("case_detail", &self.case_detail),
            ],
        );
        self.check_says_something(findings);
        self.check_dates(context, findings);
        Self::check_quantities(findings, Flow::of(self));
        check::list(findings, "consignees", self.consignees.len());
        for (index, consignee) in self.consignees.iter().enumerate().take(check::LIST_LIMIT) {
            findings.within_index("consignees", index, |findings| {
                findings.within("party", |findings| consignee.party.check(context, findings));
                check::happened(findings, context, "delivered_on", consignee.delivered_on);
            });
        }
    }

    fn check_says_something(&self, findings: &mut Findings) {
        if self.change.is_none() && self.track.is_none() && self.measure.trim().is_empty() {
            findings.refuse(
                "measure",
                "REQUIRED",
                Text::new(
                    "状态变化、并行程序和措施至少填写一项",
                    "a state change, a step on a track or a measure is required; none is stated",
                ),
            );
        }
        if self.change.is_some_and(|(_, to)| to.is_recall()) && self.reason.trim().is_empty() {
            findings.refuse(
                "reason",
                "REQUIRED",
                Text::new(
                    "撤销或认定非该企业产品时必须说明理由（re_test、entry_error、reconsideration、court 或文字）",
                    "a reason is required to overturn or disown: re_test, entry_error, reconsideration, court, or in words",
                ),
            );
        }
    }

    fn check_dates(&self, context: &CheckContext, findings: &mut Findings) {
        check::happened(findings, context, "taken_on", Some(self.taken_on));
        if check::reversed(Some(self.taken_on), self.due_on) {
            findings.refuse("due_on", "DATE_ORDER", check::order_text(self.due_on, "办理日期", "the day it was taken"));
        }
    }

    fn check_quantities(findings: &mut Findings, flow: Flow) {
        for (field, text) in flow.differences() {
            findings.remark(field, "QUANTITIES_DIFFER", text);
        }
    }
}
