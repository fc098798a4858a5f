//! The verdict table of domain.md §6 as data: party × standing × product × regime → rule. The first cell that fits decides;
//! a test shows that every combination is decided.

use super::{
    parties::PartyMatch::{self, Code, CodeNominal, Name},
    product_match::ProductMatch::{self, Different, SameBatch, SameProduct, Undecidable},
    rules::RuleId,
};
use crate::domain::{life_cycle::State, records::TrackScope};

/// What a state means for goods (the columns of the life-cycle table, domain.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Not told to the producer yet: REVIEW.
    Detected,
    /// Batch and product are held.
    Held,
    /// Batch and product are held; everything else of the enterprise is reviewed.
    HeldAndReviewed,
    /// Everything of the enterprise is held.
    AllHeld,
    /// Recheck passed: the failed batch stays held.
    Cleared,
    /// Taken back.
    Overturned,
    /// Not this producer's goods.
    Disowned,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Detected, Self::Held, Self::HeldAndReviewed, Self::AllHeld, Self::Cleared, Self::Overturned, Self::Disowned];

    /// The effect of a state.
    #[must_use]
    pub const fn of(state: State) -> Self {
        match state {
            State::Detected => Self::Detected,
            State::Notified | State::Disputed | State::Confirmed | State::Ordered | State::Ceased | State::Rechecking => {
                Self::Held
            }
            State::RecheckFailed => Self::HeldAndReviewed,
            State::Suspended | State::Revoked => Self::AllHeld,
            State::Cleared => Self::Cleared,
            State::Overturned => Self::Overturned,
            State::Disowned => Self::Disowned,
        }
    }

    /// True when the enterprise stands on the deny-list by it.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Held | Self::HeldAndReviewed | Self::AllHeld)
    }
}

/// One item against one record, reduced to what the table asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) party: PartyMatch,
    pub(super) effect: Effect,
    pub(super) product: ProductMatch,
    /// The regime is in force and counts this record (published, confirmed or later).
    pub(super) regime: bool,
    /// Certainly made after the clearance.
    pub(super) made_after: bool,
}

#[derive(Clone, Copy)]
struct Cell {
    parties: &'static [PartyMatch],
    effects: &'static [Effect],
    products: &'static [ProductMatch],
    /// `Some` = only when so.
    regime: Option<bool>,
    made_after: Option<bool>,
    rule: RuleId,
}

const HELD: &[Effect] = &[Effect::Held, Effect::HeldAndReviewed, Effect::AllHeld];
const HELD_OR_DETECTED: &[Effect] = &[Effect::Held, Effect::HeldAndReviewed, Effect::AllHeld, Effect::Detected];
const BATCH: &[ProductMatch] = &[SameBatch];
const PRODUCT: &[ProductMatch] = &[SameProduct];
const UNSURE: &[ProductMatch] = &[Undecidable];
const OTHER: &[ProductMatch] = &[Different];
const ANY: &[ProductMatch] = &[SameBatch, SameProduct, Undecidable, Different];

const fn cell(
    parties: &'static [PartyMatch],
    effects: &'static [Effect],
    products: &'static [ProductMatch],
    rule: RuleId,
) -> Cell {
    Cell { parties, effects, products, regime: None, made_after: None, rule }
}

const fn under_regime(cell: Cell) -> Cell {
    Cell { regime: Some(true), ..cell }
}

const fn made_after(cell: Cell) -> Cell {
    Cell { made_after: Some(true), ..cell }
}

const NOT_BATCH_NOT_OTHER: &[ProductMatch] = &[SameProduct, Undecidable];
const NOT_SAME: &[ProductMatch] = &[Undecidable, Different];
const BATCH_OR_UNSURE: &[ProductMatch] = &[SameBatch, Undecidable];
const NOT_OTHER: &[ProductMatch] = &[SameBatch, SameProduct, Undecidable];
const CLEARED: &[Effect] = &[Effect::Cleared];

const TABLE: &[Cell] = &[
    // Taken back, whoever matches.
    cell(&[Code, CodeNominal, Name], &[Effect::Overturned], ANY, RuleId::OverturnedClear),
    cell(&[Code, CodeNominal, Name], &[Effect::Disowned], ANY, RuleId::DisownedClear),
    // CODE, states that hold.
    cell(&[Code], HELD, BATCH, RuleId::CodeBatchHold),
    cell(&[Code], HELD, PRODUCT, RuleId::CodeProductHold),
    cell(&[Code], &[Effect::AllHeld], NOT_SAME, RuleId::CodeEnterpriseHold),
    under_regime(cell(&[Code], HELD, NOT_SAME, RuleId::CodeRegimeHold)),
    cell(&[Code], HELD, UNSURE, RuleId::CodeUndecidableReview),
    cell(&[Code], &[Effect::HeldAndReviewed], OTHER, RuleId::CodeEnterpriseReview),
    cell(&[Code], HELD, OTHER, RuleId::CodeDifferentClear),
    // CODE, detected.
    cell(&[Code], &[Effect::Detected], NOT_OTHER, RuleId::CodeDetectedReview),
    cell(&[Code], &[Effect::Detected], OTHER, RuleId::CodeDetectedClear),
    // CODE, cleared.
    cell(&[Code], CLEARED, BATCH, RuleId::CodeClearedBatchHold),
    made_after(cell(&[Code], CLEARED, NOT_BATCH_NOT_OTHER, RuleId::CodeClearedAfterClear)),
    cell(&[Code], CLEARED, NOT_BATCH_NOT_OTHER, RuleId::CodeClearedReview),
    cell(&[Code], CLEARED, OTHER, RuleId::CodeClearedDifferentClear),
    // CODE_NOMINAL.
    cell(&[CodeNominal], HELD_OR_DETECTED, NOT_OTHER, RuleId::NominalReview),
    cell(&[CodeNominal], HELD_OR_DETECTED, OTHER, RuleId::NominalDifferentClear),
    cell(&[CodeNominal], CLEARED, BATCH_OR_UNSURE, RuleId::NominalClearedReview),
    cell(&[CodeNominal], CLEARED, ANY, RuleId::NominalClearedClear),
    // NAME.
    cell(&[Name], HELD_OR_DETECTED, NOT_OTHER, RuleId::NameReview),
    under_regime(cell(&[Name], HELD, OTHER, RuleId::NameRegimeReview)),
    cell(&[Name], HELD_OR_DETECTED, OTHER, RuleId::NameDifferentClear),
    cell(&[Name], CLEARED, BATCH_OR_UNSURE, RuleId::NameClearedReview),
    cell(&[Name], CLEARED, ANY, RuleId::NameClearedClear),
];

impl Pair {
    /// The rule of the cell; `None` never happens (see the test), and would be judged UNKNOWN.
    pub(super) fn rule(self) -> Option<RuleId> {
        let fits = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        TABLE
            .iter()
            .find(|cell| {
                cell.parties.contains(&self.party)
                    && cell.effects.contains(&self.effect)
                    && cell.products.contains(&self.product)
                    && fits(cell.regime, self.regime)
                    && fits(cell.made_after, self.made_after)
            })
            .map(|cell| cell.rule)
    }
}

/// The rule for an open sealing, seizure or transfer; `None` = the goods are outside its scope.
///
/// A match that is not sure (by name, nominal, product not decidable) never gives more than REVIEW: an unresolved name alone
/// never holds.
pub(super) fn track_rule(party: PartyMatch, scope: TrackScope, product: ProductMatch) -> Option<RuleId> {
    let rule = match (scope, product) {
        (TrackScope::Batch, SameBatch) => RuleId::TrackBatchHold,
        (TrackScope::Product, SameBatch | SameProduct) => RuleId::TrackProductHold,
        (TrackScope::Enterprise, _) => RuleId::TrackEnterpriseHold,
        (TrackScope::Batch | TrackScope::Product, Undecidable) => RuleId::TrackReview,
        (TrackScope::Batch, SameProduct | Different) | (TrackScope::Product, Different) => return None,
    };
    Some(if party == Code { rule } else { RuleId::TrackReview })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::screening::verdict::Verdict;

    const PRODUCTS: [ProductMatch; 4] = [SameBatch, SameProduct, Undecidable, Different];

    fn every_pair() -> impl Iterator<Item = Pair> {
        [Code, CodeNominal, Name].into_iter().flat_map(|party| {
            Effect::ALL.into_iter().flat_map(move |effect| {
                PRODUCTS.into_iter().flat_map(move |product| {
                    [false, true].into_iter().flat_map(move |regime| {
                        [false, true].map(|made_after| Pair { party, effect, product, regime, made_after })
                    })
                })
            })
        })
    }

    #[test]
    fn every_combination_is_decided() {
        for pair in every_pair() {
            assert!(pair.rule().is_some(), "{pair:?}");
        }
    }

    #[test]
    fn every_cell_is_reached() {
        let reached: Vec<RuleId> = every_pair().filter_map(Pair::rule).collect();
        for cell in TABLE {
            assert!(reached.contains(&cell.rule), "{:?}", cell.rule);
        }
    }

    #[test]
    fn only_a_code_holds() {
        for pair in every_pair().filter(|pair| pair.party != Code) {
            let rule = pair.rule().map(|id| id.rule().verdict);
            assert!(rule < Some(Verdict::Hold), "{pair:?}");
        }
    }

    #[test]
    fn the_regime_never_lowers() {
        for pair in every_pair().filter(|pair| pair.regime) {
            let without = Pair { regime: false, ..pair };
            let verdict = |pair: Pair| pair.rule().map(|id| id.rule().verdict);
            assert!(verdict(pair) >= verdict(without), "{pair:?}");
        }
    }

    #[test]
    fn a_doubtful_party_or_product_is_never_held_by_a_track() {
        for party in [CodeNominal, Name] {
            for scope in [TrackScope::Batch, TrackScope::Product, TrackScope::Enterprise] {
                for product in PRODUCTS {
                    assert!(matches!(track_rule(party, scope, product), None | Some(RuleId::TrackReview)));
                }
            }
        }
        assert_eq!(track_rule(Code, TrackScope::Enterprise, Different), Some(RuleId::TrackEnterpriseHold));
        assert_eq!(track_rule(Code, TrackScope::Batch, SameProduct), None);
    }
}
