//! Screening an export declaration against what is known (domain.md §6): pure, deterministic, explained.
//!
//! Invariants:
//! - Same declaration, knowledge, policy and rule version: same answer.
//! - Never CLEAR in doubt: stale data, unusable input or a pair that no rule speaks of is UNKNOWN; a doubtful party or product
//!   is REVIEW; an unresolved name alone never yields HOLD.
//! - The highest of all reasons wins, so that a further record can only raise a verdict.
//!
//! The gateway gathers what is known; nothing here looks anywhere else. Customs decides; this is advice with evidence.

mod answer;
mod cells;
mod completeness;
mod declaration;
mod evaluate;
mod goods;
mod interest;
mod known;
mod parties;
mod product_match;
mod regime;
mod rules;
mod verdict;

#[cfg(test)]
mod decision_table;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scene;

pub use answer::{Answer, ItemAnswer, Reason};
pub use cells::Effect;
pub use completeness::{AnswerBasis, Completeness, FeedState, FreshnessPolicy, RequiredPublisher, together};
pub use declaration::{
    ClaimedStandard, Declaration, DeclarationItem, DeclaredCode, DeclaredParty, JointDeclaration, MAX_ITEMS, MAX_TEXT,
};
pub use evaluate::{ScreeningPolicy, evaluate};
pub use goods::{GoodsGate, GoodsPrefix};
pub use interest::Interest;
pub use known::{Candidate, Consigned, Known, NameKeys, QualificationEntry, SurveyEntry};
pub use parties::{Maker, MakerSource, PartyMatch};
pub use product_match::ProductMatch;
pub use regime::{RegimeRow, Regimes};
pub use rules::{RULE_VERSION, RULES, Rule, RuleId, Rules};
pub use verdict::Verdict;
