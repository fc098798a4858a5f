//! Judging a declaration: a pure function of the declaration, what is known and the policy.

use super::{
    answer::{Answer, ItemAnswer, Reason},
    cells::{Effect, Pair, track_rule},
    completeness::{Completeness, FeedState, together},
    declaration::{ClaimedStandard, Declaration, DeclarationItem, DeclaredCode, DeclaredParty, JointDeclaration},
    goods::{Gate, GoodsGate},
    known::{Candidate, Known},
    parties::{Maker, Parties},
    product_match::{Goods, ProductMatch},
    regime::Regimes,
    rules::{RuleId, Rules},
    verdict::Verdict,
};
use crate::domain::{
    dates::CivilDate,
    enterprise_file::bars_goods,
    feeds::Feed,
    ids::Micros,
    life_cycle::State,
    products::ProductKind,
    records::{RecordReference, Token as _, TrackKind},
    violation::Text,
};

/// What the operator has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreeningPolicy {
    /// What counts as masks.
    pub goods: GoodsGate,
    /// Regimes by date.
    pub regimes: Regimes,
    /// Customs districts (their first digits suffice) where a maker that is not established is no reason for a review while
    /// both lists are fresh.
    pub tolerant_offices: Vec<String>,
    /// How long an answer may be relied on at most, microseconds.
    pub answer_lifetime: Micros,
}

impl Default for ScreeningPolicy {
    /// Seeded goods, no regime, no tolerance, answers good for a day.
    fn default() -> Self {
        Self {
            goods: GoodsGate::default(),
            regimes: Regimes::default(),
            tolerant_offices: Vec::new(),
            answer_lifetime: 24 * 3_600_000_000,
        }
    }
}

/// Judges a declaration. The same arguments always give the same answer.
#[must_use]
pub fn evaluate(
    declaration: &Declaration,
    known: &Known,
    completeness: &Completeness<'_>,
    policy: &ScreeningPolicy,
    rules: Rules,
) -> Answer {
    let day = declaration.declared_on.unwrap_or_else(|| CivilDate::of_instant(completeness.at));
    let parties = Parties::of(declaration, known);
    let region = parties.maker.as_ref().and_then(|maker| maker.region);
    let bench = Bench {
        declaration,
        known,
        policy,
        rules,
        day,
        regime: policy.regimes.in_force(day),
        deny_list: completeness.of(Feed::FailedProducts, region),
        allow_list: completeness.of(Feed::ExportQualifications, region),
        parties,
    };
    let items = (1..).zip(&declaration.items).map(|(number, item)| bench.judge(number, item)).collect();
    let feeds = if bench.draws_on_the_allow_list() { together([bench.deny_list, bench.allow_list]) } else { bench.deny_list };
    Answer::new(items, bench.parties.maker.map(|maker| maker.code), policy.regimes.version(), feeds)
}

/// What is the same for all items of a declaration.
struct Bench<'a> {
    declaration: &'a Declaration,
    known: &'a Known,
    policy: &'a ScreeningPolicy,
    rules: Rules,
    day: CivilDate,
    regime: bool,
    deny_list: FeedState,
    allow_list: FeedState,
    parties: Parties,
}

/// Reasons as they are found, under a set of rules.
struct Reasons {
    rules: Rules,
    found: Vec<Reason>,
    /// Something was to be judged and no rule spoke of it: then the answer is at least UNKNOWN.
    unjudged: bool,
}

impl Reasons {
    fn say(&mut self, rule: RuleId, record: Option<&RecordReference>, given: &[(&str, Text)]) {
        if self.rules.has(rule) {
            self.found.push(Reason { rule, text: rule.rule().words(given), record: record.cloned() });
        }
    }
}

impl Bench<'_> {
    fn judge(&self, number: u32, item: &DeclarationItem) -> ItemAnswer {
        let mut reasons = Reasons { rules: self.rules, found: Vec::new(), unjudged: false };
        match self.policy.goods.judge(item, self.day) {
            Gate::NotCovered if self.rules.has(RuleId::GoodsNotCovered) => {
                reasons.say(RuleId::GoodsNotCovered, None, &[]);
                return ItemAnswer::new(number, reasons.found, Verdict::NotApplicable);
            }
            Gate::Unknown => reasons.say(RuleId::GoodsUnknown, None, &[]),
            Gate::Covered | Gate::NotCovered => {}
        }
        self.judge_input(item, &mut reasons);
        self.judge_maker(&mut reasons);
        self.judge_regime(item, &mut reasons);
        let goods = Goods::declared(item);
        for candidate in &self.known.candidates {
            self.judge_candidate(item, &goods, candidate, &mut reasons);
        }
        self.judge_data(item, &mut reasons);
        if reasons.found.is_empty() && !reasons.unjudged {
            reasons.say(RuleId::NothingKnown, None, &[]);
        }
        // Fail safe: with no reason at all, or a pair that no rule spoke of, nobody has said CLEAR.
        let floor = if reasons.unjudged || reasons.found.is_empty() { Verdict::Unknown } else { Verdict::Clear };
        ItemAnswer::new(number, reasons.found, floor)
    }

    fn judge_input(&self, item: &DeclarationItem, reasons: &mut Reasons) {
        for (_, party) in self.declaration.parties() {
            if let DeclaredCode::Unusable { read, why } = &party.code {
                let read: String = read.chars().take(40).collect();
                let detail = Text::new(format!("“{read}”，{}", why.zh), format!("`{read}`: {}", why.en));
                reasons.say(RuleId::CodeUnusable, None, &[("detail", detail)]);
            }
        }
        if self.declaration.parties().into_iter().all(|(_, party)| DeclaredParty::is_blank(party)) {
            reasons.say(RuleId::NoParty, None, &[]);
        }
        if item.produced_on.is_some_and(|made| made.first_day() > self.day.last_day()) {
            reasons.say(RuleId::DateImpossible, None, &[]);
        }
    }

    fn judge_maker(&self, reasons: &mut Reasons) {
        if self.parties.maker.is_some() {
            return;
        }
        let office = &self.declaration.office;
        let tolerant =
            self.policy.tolerant_offices.iter().any(|prefix| !prefix.is_empty() && office.starts_with(prefix.as_str()));
        let fresh = !self.deny_list.stale && !self.allow_list.stale;
        let rule = if tolerant && fresh { RuleId::MakerNotEstablishedTolerated } else { RuleId::MakerNotEstablished };
        reasons.say(rule, None, &[]);
        reasons.unjudged |= !self.rules.has(rule);
    }

    /// Announcement 12/2020: goods to foreign standards need their maker on the allow-list.
    fn judge_regime(&self, item: &DeclarationItem, reasons: &mut Reasons) {
        if !self.regime {
            return;
        }
        match (item.claimed_standard, &self.parties.maker) {
            (ClaimedStandard::Chinese, _) => {}
            (ClaimedStandard::Unstated, _) => reasons.say(RuleId::StandardUnstated, None, &[]),
            (ClaimedStandard::Foreign, None) => reasons.say(RuleId::ForeignMakerUnknown, None, &[]),
            (ClaimedStandard::Foreign, Some(maker)) => match self.qualified(maker, item.product_kind.as_ref()) {
                Qualified::Yes => {}
                Qualified::Unsure => reasons.say(RuleId::ForeignKindUnsure, None, &[]),
                Qualified::No => reasons.say(RuleId::ForeignNotListed, None, &[]),
            },
        }
        if self.declaration.joint_declaration == JointDeclaration::Absent {
            reasons.say(RuleId::JointDeclarationAbsent, None, &[]);
        }
    }

    fn qualified(&self, maker: &Maker, kind: Option<&ProductKind>) -> Qualified {
        let mut best = Qualified::No;
        for entry in self.known.qualifications.iter().filter(|entry| entry.code == maker.code && entry.is_valid_on(self.day)) {
            match kind {
                _ if entry.product_kinds.is_empty() => return Qualified::Yes,
                Some(kind) if entry.product_kinds.contains(kind) => return Qualified::Yes,
                Some(ProductKind::Other(_)) | None => best = Qualified::Unsure,
                // Kinds worded freely may well mean this one.
                Some(_) if entry.product_kinds.iter().any(|covered| matches!(covered, ProductKind::Other(_))) => {
                    best = Qualified::Unsure;
                }
                Some(_) => {}
            }
        }
        best
    }

    fn judge_candidate(&self, item: &DeclarationItem, goods: &Goods<'_>, candidate: &Candidate, reasons: &mut Reasons) {
        let recorded = Goods::recorded(&candidate.matter);
        let effect = Effect::of(candidate.standing.state);
        let party = self.parties.producer_of(candidate);
        let product = goods.compare(&recorded);
        let places = [("record", words_of_record(candidate)), ("state", words_of_state(candidate.standing.state))];
        let made_after = candidate.cleared_on.is_some_and(|day| goods.made_after(day));
        let pair = party.map(|party| Pair {
            party,
            effect,
            product,
            regime: self.regime && candidate.counts_for_the_regime(),
            made_after,
        });
        let by_label = if effect == Effect::Disowned { goods.brand_and_batch(&recorded) } else { None };
        let rule = match by_label {
            Some(true) => Some(RuleId::DisownedHold),
            Some(false) => Some(RuleId::DisownedReview),
            None => pair.and_then(Pair::rule),
        };
        if let Some(rule) = rule {
            reasons.say(rule, Some(&candidate.record), &places);
        }
        let was_to_be_judged = pair.is_some() || by_label.is_some();
        reasons.unjudged |= was_to_be_judged && !rule.is_some_and(|rule| self.rules.has(rule));
        if let Some(pair) = pair.filter(|_| effect != Effect::Disowned) {
            judge_tracks(candidate, pair, reasons);
            if effect.holds() && self.policy.goods.claims_medical_use(item) {
                reasons.say(RuleId::MedicalUseReview, Some(&candidate.record), &places);
            }
        }
        let sample_counts = match effect {
            Effect::Overturned => false,
            Effect::Cleared => {
                matches!(product, ProductMatch::SameBatch) || (product == ProductMatch::Undecidable && !made_after)
            }
            _ => true,
        };
        if sample_counts && self.parties.sold_the_sample(candidate) {
            reasons.say(RuleId::SampledSellerReview, Some(&candidate.record), &places);
        }
        if sample_counts && self.parties.received(candidate) {
            let held = effect.holds() || effect == Effect::Cleared;
            let same_batch = product == ProductMatch::SameBatch && !self.parties.maker_is_another(candidate);
            let rule = if held && same_batch { RuleId::ConsigneeBatchHold } else { RuleId::ConsigneeReview };
            reasons.say(rule, Some(&candidate.record), &places);
        }
    }

    /// Last, so that a HOLD found in stale data stays HOLD and carries this reason beside it as its flag.
    fn judge_data(&self, item: &DeclarationItem, reasons: &mut Reasons) {
        if self.known.truncated {
            reasons.say(RuleId::DataTruncated, None, &[]);
        }
        if self.deny_list.stale {
            let detail = Text::new(Feed::FailedProducts.name(), Feed::FailedProducts.name());
            reasons.say(RuleId::DataStale, None, &[("detail", detail)]);
        }
        if self.allow_list.stale && self.regime && item.claimed_standard == ClaimedStandard::Foreign {
            let detail = Text::new(Feed::ExportQualifications.name(), Feed::ExportQualifications.name());
            reasons.say(RuleId::DataStale, None, &[("detail", detail)]);
        }
    }

    fn draws_on_the_allow_list(&self) -> bool {
        self.regime && self.declaration.items.iter().any(|item| item.claimed_standard == ClaimedStandard::Foreign)
    }
}

/// Whether the maker stands on the allow-list for the goods.
enum Qualified {
    Yes,
    Unsure,
    No,
}

fn judge_tracks(candidate: &Candidate, pair: Pair, reasons: &mut Reasons) {
    for (track, scope) in &candidate.standing.open_tracks {
        if let Some(rule) = track_rule(pair.party, *scope, pair.product).filter(|_| bars_goods(*track)) {
            let places = [("record", words_of_record(candidate)), ("track", words_of_track(*track))];
            reasons.say(rule, Some(&candidate.record), &places);
        }
    }
}

fn words_of_record(candidate: &Candidate) -> Text {
    let id = candidate.record.record_id.as_str();
    Text::new(id, id)
}

/// A disputed result holds like any other, but the officer should know that it is disputed: the state's name says so.
fn words_of_state(state: State) -> Text {
    Text::new(state.name_zh(), state.token())
}

fn words_of_track(track: TrackKind) -> Text {
    Text::new(track.name_zh(), format!("The measure `{}`", track.token()))
}
