//! Who made it, and is that whom the record speaks of? (domain.md §6, "Who made it" and "Party match"; §7 for names)

use super::{
    declaration::{Declaration, DeclaredParty},
    known::{Candidate, Known, NameKeys, SurveyEntry, region_of_code},
};
use crate::domain::{credit_code::CreditCode, records::Party, regions::Region};

/// How a record's producer compares with the parties of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartyMatch {
    /// Only the name is equal, and a code is missing on a side.
    Name,
    /// The code is equal, but the record names the producer as labelled, or the party is not declared as the maker.
    CodeNominal,
    /// The code of the maker is equal.
    Code,
}

/// By what the maker was established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MakerSource {
    /// The maker's own code.
    Declared,
    /// The code of the producing or selling unit, which the survey knows as a producer.
    ProducingUnit,
    /// The stated maker's name, which the survey knows once.
    StatedName,
    /// The code of the exporter, which the survey knows as a producer.
    Exporter,
}

/// The maker, if it could be established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// Its code.
    pub code: CreditCode,
    /// By what.
    pub source: MakerSource,
    /// Its region: of the survey, else of the code.
    pub region: Option<Region>,
}

impl Maker {
    /// Establishes the maker; `None` = not established.
    #[must_use]
    pub fn establish(declaration: &Declaration, surveys: &[SurveyEntry]) -> Option<Self> {
        let surveyed = |party: &DeclaredParty| {
            party.code.code().filter(|code| surveys.iter().any(|entry| entry.code == *code && entry.makes_masks))
        };
        let (code, source) = None
            .or_else(|| declaration.maker.code.code().map(|code| (code, MakerSource::Declared)))
            .or_else(|| surveyed(&declaration.producing_or_selling_unit).map(|code| (code, MakerSource::ProducingUnit)))
            .or_else(|| resolve(&declaration.maker, surveys).map(|code| (code, MakerSource::StatedName)))
            .or_else(|| surveyed(&declaration.exporter).map(|code| (code, MakerSource::Exporter)))?;
        let surveyed_region = surveys.iter().filter(|entry| entry.code == code).find_map(|entry| entry.region);
        Some(Self { code, source, region: surveyed_region.or_else(|| region_of_code(&code)) })
    }
}

/// A name is resolved when strict or form key are those of exactly one code and no region contradicts.
fn resolve(party: &DeclaredParty, surveys: &[SurveyEntry]) -> Option<CreditCode> {
    let name = NameKeys::of(&party.name);
    let mut equal = surveys.iter().filter(|entry| entry.name.equals(&name));
    let found = equal.next()?;
    let ambiguous = equal.any(|entry| entry.code != found.code);
    let elsewhere = party.region.zip(found.region).is_some_and(|(stated, known)| stated.contradicts(known));
    (!ambiguous && !elsewhere).then_some(found.code)
}

/// One identity of the declaration, ready to compare.
struct Identity {
    code: Option<CreditCode>,
    names: Vec<NameKeys>,
    is_maker: bool,
    /// It exports, or it produces or sells.
    trades: bool,
}

/// The parties of a declaration, ready to compare with any number of records.
pub(super) struct Parties {
    pub(super) maker: Option<Maker>,
    identities: Vec<Identity>,
}

impl Parties {
    pub(super) fn of(declaration: &Declaration, known: &Known) -> Self {
        let maker = Maker::establish(declaration, &known.surveys);
        let maker_code = maker.as_ref().map(|maker| maker.code);
        let by_name = maker.as_ref().is_some_and(|maker| maker.source == MakerSource::StatedName);
        let identities = declaration
            .parties()
            .into_iter()
            .filter(|(_, party)| !party.is_blank())
            .map(|(role, party)| {
                let resolved = if by_name && role == "maker" { maker_code } else { None };
                let code = party.code.code().or(resolved);
                let surveyed = known.surveys.iter().filter(|entry| Some(entry.code) == code).map(|entry| entry.name.clone());
                let names = std::iter::once(NameKeys::of(&party.name)).chain(surveyed).collect();
                Identity { code, names, is_maker: code.is_some() && code == maker_code, trades: role != "maker" }
            })
            .collect();
        Self { maker, identities }
    }

    /// How the record's producer compares; `None` = it is none of the parties. The surest match counts.
    pub(super) fn producer_of(&self, candidate: &Candidate) -> Option<PartyMatch> {
        let code = candidate.code();
        let name = NameKeys::of(&candidate.matter.producer.name);
        let compare = |identity: &Identity| match (identity.code, code) {
            (Some(one), Some(other)) if one != other => None,
            (Some(_), Some(_)) if identity.is_maker && candidate.is_surely_attributed() => Some(PartyMatch::Code),
            (Some(_), Some(_)) => Some(PartyMatch::CodeNominal),
            _ => identity.has_name(&name).then_some(PartyMatch::Name),
        };
        self.identities.iter().filter_map(compare).max()
    }

    /// True when the exporter or the producing or selling unit received goods of the batch.
    pub(super) fn received(&self, candidate: &Candidate) -> bool {
        let received = |identity: &Identity| {
            candidate.consignees.iter().any(|consignee| match (identity.code, consignee.code) {
                (Some(one), Some(other)) => one == other,
                _ => identity.has_name(&consignee.name),
            })
        };
        self.identities.iter().filter(|identity| identity.trades).any(received)
    }

    /// True when the maker is known to be another than the record's producer.
    pub(super) fn maker_is_another(&self, candidate: &Candidate) -> bool {
        matches!((&self.maker, candidate.code()), (Some(maker), Some(code)) if maker.code != code)
    }

    /// True when one of the parties is where the sample was taken.
    pub(super) fn sold_the_sample(&self, candidate: &Candidate) -> bool {
        let Some(Party { name, credit_code, .. }) = &candidate.matter.sampled_party else { return false };
        let name = NameKeys::of(name);
        self.identities.iter().any(|identity| match (identity.code, credit_code) {
            (Some(one), Some(other)) => one == *other,
            _ => identity.has_name(&name),
        })
    }
}

impl Identity {
    fn has_name(&self, name: &NameKeys) -> bool {
        self.names.iter().any(|own| own.equals(name))
    }
}
