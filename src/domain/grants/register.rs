//! The register: participants, their systems, the catalogue's policy, grants; and the one access check.

use std::collections::{HashMap, HashSet};

use super::{
    catalogue::{FeedPolicy, Grant, Scope},
    participants::{Participant, System},
    permit::{Action, Clause, Denied, Permit},
};
use crate::domain::{
    dates::CivilDate,
    digest::{Digest, hex},
    feeds::Feed,
    ids::{ParticipantId, SystemId},
};

/// One thing wrong with the register.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Two participants of one name.
    #[error("participant `{0}` is listed twice")]
    ParticipantTwice(ParticipantId),
    /// Two systems of one name.
    #[error("system `{0}` is listed twice")]
    SystemTwice(SystemId),
    /// A system of nobody.
    #[error("system `{0}` belongs to no listed participant")]
    SystemOfNobody(SystemId),
    /// A system that nothing recognises.
    #[error("system `{0}` has neither a URI nor a pinned certificate: nothing would recognise it")]
    SystemUnrecognisable(SystemId),
    /// Two systems are recognised by one URI.
    #[error("URI `{0}` belongs to two systems")]
    UriTwice(String),
    /// Two systems are recognised by one certificate.
    #[error("certificate {0} is pinned by two systems")]
    FingerprintTwice(String),
    /// A feed with two policies.
    #[error("feed `{0}` has two policies")]
    PolicyTwice(&'static str),
    /// A grant to nobody.
    #[error("a grant names `{0}`, which is no listed participant")]
    GrantToNobody(ParticipantId),
    /// A policy needs the attestation of nobody.
    #[error("the policy of `{0}` needs the attestation of `{1}`, which is no listed participant")]
    VerdictOfNobody(&'static str, ParticipantId),
}

/// Who takes part, and what each may do. Immutable: a change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Register {
    participants: HashMap<ParticipantId, Participant>,
    systems: HashMap<SystemId, System>,
    by_uri: HashMap<String, SystemId>,
    by_fingerprint: HashMap<Digest, SystemId>,
    policies: HashMap<Feed, FeedPolicy>,
    grants: Vec<Grant>,
}

impl Register {
    /// Builds a register. A feed without a policy has the standard one.
    ///
    /// # Errors
    /// Everything that is wrong with it, not the first alone.
    pub fn build(
        participants: Vec<Participant>,
        systems: Vec<System>,
        policies: Vec<FeedPolicy>,
        grants: Vec<Grant>,
    ) -> Result<Self, Vec<RegisterError>> {
        let mut errors = Vec::new();
        let mut register = Self { grants, ..Self::default() };
        for participant in participants {
            let id = participant.id.clone();
            if register.participants.insert(id.clone(), participant).is_some() {
                errors.push(RegisterError::ParticipantTwice(id));
            }
        }
        for system in systems {
            register.enrol(system, &mut errors);
        }
        for policy in policies {
            let feed = policy.feed;
            if register.policies.insert(feed, policy).is_some() {
                errors.push(RegisterError::PolicyTwice(feed.name()));
            }
        }
        for feed in Feed::ALL {
            register.policies.entry(feed).or_insert_with(|| FeedPolicy::standard(feed));
        }
        register.check_names(&mut errors);
        if errors.is_empty() { Ok(register) } else { Err(errors) }
    }

    fn enrol(&mut self, system: System, errors: &mut Vec<RegisterError>) {
        let id = &system.id;
        if !self.participants.contains_key(&id.participant) {
            errors.push(RegisterError::SystemOfNobody(id.clone()));
        }
        if system.uri.is_none() && system.fingerprints.is_empty() {
            errors.push(RegisterError::SystemUnrecognisable(id.clone()));
        }
        if let Some(uri) = &system.uri
            && self.by_uri.insert(uri.clone(), id.clone()).is_some()
        {
            errors.push(RegisterError::UriTwice(uri.clone()));
        }
        let own: HashSet<&Digest> = system.fingerprints.iter().collect();
        for fingerprint in own {
            if self.by_fingerprint.insert(*fingerprint, id.clone()).is_some() {
                errors.push(RegisterError::FingerprintTwice(hex(fingerprint)));
            }
        }
        let id = id.clone();
        if self.systems.insert(id.clone(), system).is_some() {
            errors.push(RegisterError::SystemTwice(id));
        }
    }

    fn check_names(&self, errors: &mut Vec<RegisterError>) {
        let unknown = |id: &&ParticipantId| !self.participants.contains_key(*id);
        let recipients = self.grants.iter().map(|grant| &grant.participant);
        errors.extend(recipients.filter(unknown).cloned().map(RegisterError::GrantToNobody));
        for feed in Feed::ALL {
            let needed = self.policy(feed).into_iter().flat_map(|policy| &policy.verdict_publishers);
            errors.extend(needed.filter(unknown).map(|id| RegisterError::VerdictOfNobody(feed.name(), id.clone())));
        }
    }

    /// One participant.
    #[must_use]
    pub fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.get(id)
    }

    /// All participants, by name.
    #[must_use]
    pub fn participants(&self) -> Vec<&Participant> {
        let mut all: Vec<&Participant> = self.participants.values().collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// One system.
    #[must_use]
    pub fn system(&self, id: &SystemId) -> Option<&System> {
        self.systems.get(id)
    }

    /// The system whose certificates carry this URI.
    #[must_use]
    pub fn system_by_uri(&self, uri: &str) -> Option<&System> {
        self.by_uri.get(uri).and_then(|id| self.systems.get(id))
    }

    /// The system that pins the certificate of this SHA-256.
    #[must_use]
    pub fn system_by_fingerprint(&self, fingerprint: &Digest) -> Option<&System> {
        self.by_fingerprint.get(fingerprint).and_then(|id| self.systems.get(id))
    }

    /// The policy of a feed; always there in a register that was built.
    #[must_use]
    pub fn policy(&self, feed: Feed) -> Option<&FeedPolicy> {
        self.policies.get(&feed)
    }

    /// Participants whose attestation a verdict on this feed needs: those the policy names, else all that publish into it, by name.
    #[must_use]
    pub fn verdict_publishers(&self, feed: Feed) -> Vec<&Participant> {
        let Some(policy) = self.policy(feed) else { return Vec::new() };
        let needed = |participant: &Participant| {
            if policy.verdict_publishers.is_empty() {
                policy.publishers.contains(&participant.role)
            } else {
                policy.verdict_publishers.contains(&participant.id)
            }
        };
        self.participants().into_iter().filter(|participant| needed(participant)).collect()
    }

    /// The access check: what a participant may do with a feed on a day (Asia/Shanghai). Only this makes a [`Permit`].
    ///
    /// # Errors
    /// When the participant is not listed, was never granted the action, or its last grant has ended.
    pub fn permit(&self, participant: &ParticipantId, action: Action, feed: Feed, today: CivilDate) -> Result<Permit, Denied> {
        let known = self.participants.get(participant).ok_or_else(|| Denied::unknown(participant))?;
        let policy = self.policies.get(&feed).ok_or_else(|| Denied::not_granted(participant, action, feed))?;
        let default = policy.default_for(known.role, action).map(|disclosure| Clause { disclosure, scope: Scope::default() });
        let own = || {
            self.grants.iter().filter(|grant| grant.participant == *participant && grant.action == action && grant.feed == feed)
        };
        let granted = own()
            .filter(|grant| grant.holds_on(today))
            .map(|grant| Clause { disclosure: grant.disclosure, scope: grant.scope.clone() });
        let clauses: Vec<Clause> = default.into_iter().chain(granted).collect();
        if clauses.is_empty() {
            let last = own().filter_map(|grant| grant.expires_on).max_by_key(|date| date.last_day());
            return Err(match last {
                Some(last) => Denied::expired(participant, action, feed, &last.to_string()),
                None => Denied::not_granted(participant, action, feed),
            });
        }
        Ok(Permit { participant: participant.clone(), action, feed, purpose_required: policy.purpose_required, clauses })
    }
}

#[cfg(test)]
mod tests;
