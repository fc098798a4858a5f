//! A record as it comes in (`Draft`) and as it stands in the ledger (`StoredRecord`).

use std::sync::Arc;

use bytes::Bytes;

use super::{
    attributes::{Attributes, SubjectKey},
    credit_code::CreditCode,
    digest::{Digest, sha256},
    feeds::SectionName,
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    records::{Content, Kind},
    violation::Violation,
};

/// The sealed bytes of one section with their salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSection {
    /// Canonical bytes.
    pub content: Bytes,
    /// Mixed into the digest, so that a withheld section cannot be guessed.
    pub salt: [u8; 16],
}

impl SealedSection {
    /// SHA-256 over label, salt and content.
    #[must_use]
    pub fn digest(&self, name: SectionName) -> Digest {
        let label: &[u8] = match name {
            SectionName::Open => b"tongbao/section/open/v1",
            SectionName::Restricted => b"tongbao/section/restricted/v1",
        };
        sha256(&[label, &self.salt, &self.content])
    }
}

/// The sections of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// What every recipient may read.
    pub open: SealedSection,
    /// What only some may read.
    pub restricted: Option<SealedSection>,
}

impl Sections {
    /// Digest of the content alone, without salts: equal content, equal digest. Never leaves the gateway.
    #[must_use]
    pub fn content_digest(&self, kind: Kind) -> Digest {
        let restricted = self.restricted.as_ref().map_or(&[][..], |section| &section.content);
        sha256(&[&[kind.number()], &(self.open.content.len() as u64).to_be_bytes(), &self.open.content, restricted])
    }

    /// Digest that evidence refers to: over record id, revision, kind and the sections' salted digests.
    #[must_use]
    pub fn record_digest(&self, record_id: &RecordId, revision: Revision, kind: Kind) -> Digest {
        let (open, restricted) = self.salted_digests();
        record_digest(record_id.as_str(), revision, kind, &open, &restricted)
    }

    /// Digests of a record of that kind.
    #[must_use]
    pub fn digests(&self, kind: Kind) -> Digests {
        let (open, restricted) = self.salted_digests();
        Digests { content: self.content_digest(kind), open, restricted }
    }

    fn salted_digests(&self) -> (Digest, Digest) {
        let restricted = self.restricted.as_ref().map_or([0; 32], |section| section.digest(SectionName::Restricted));
        (self.open.digest(SectionName::Open), restricted)
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.content.len() + self.restricted.as_ref().map_or(0, |section| section.content.len())
    }

    /// True when there is no content at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is hashed of the sections of a draft. Computed at the door, where records are checked beside each other; the ledger decides one
/// after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// See [`Sections::content_digest`].
    pub content: Digest,
    /// See [`SealedSection::digest`].
    pub open: Digest,
    /// The same of the restricted section; 32 zero bytes without one.
    pub restricted: Digest,
}

/// The digest of a record from its section digests; a missing restricted section counts as 32 zero bytes.
#[must_use]
pub fn record_digest(record_id: &str, revision: Revision, kind: Kind, open: &Digest, restricted: &Digest) -> Digest {
    sha256(&[
        b"tongbao/record/v1",
        &(record_id.len() as u64).to_be_bytes(),
        record_id.as_bytes(),
        &revision.to_be_bytes(),
        &[kind.number()],
        open,
        restricted,
    ])
}

/// Where a record was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// Name of the file.
    pub file_name: String,
    /// SHA-256 of the file.
    pub file_digest: Vec<u8>,
    /// Sheet.
    pub sheet: String,
    /// Row, from 1.
    pub row: u32,
}

/// How a producer's name was resolved at publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// To which code.
    pub credit_code: CreditCode,
    /// Found in this survey record.
    pub survey_record_id: RecordId,
    /// At this position.
    pub survey_position: Position,
    /// Which key was equal.
    pub matched_key: MatchedKey,
}

/// Which key of a name was equal (domain.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedKey {
    /// Strict key.
    Strict,
    /// Form key.
    Form,
}

/// The key that deliveries are ordered by: the producer's code, else publisher and strict name; fixed at the first revision.
/// A copy shares the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey(pub Arc<str>);

/// A record that was parsed and checked at the door, with the very bytes it came in.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id, in the publisher's own namespace.
    pub record_id: RecordId,
    /// Revision asked for; `None` = duplicate or next.
    pub revision: Option<Revision>,
    /// What it says.
    pub content: Content,
    /// The bytes that say it.
    pub sections: Sections,
    /// Digests of these bytes.
    pub digests: Digests,
    /// Where the publisher read it.
    pub provenance: Option<Provenance>,
    /// For queries.
    pub attributes: Attributes,
    /// Keys it can be found under.
    pub subjects: Vec<SubjectKey>,
    /// Things to know that do not stop it.
    pub remarks: Vec<Violation>,
}

/// One revision as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Place in the ledger.
    pub position: Position,
    /// Commit time.
    pub committed_at: Micros,
    /// Who published this revision.
    pub publisher: ParticipantId,
    /// Its id.
    pub record_id: RecordId,
    /// Its revision.
    pub revision: Revision,
    /// Key that deliveries are ordered by.
    pub order_key: OrderKey,
    /// For queries.
    pub attributes: Attributes,
    /// Attributes of the predecessor revision (for a disposition that changes a state: those before the change), if any.
    pub previous: Option<Attributes>,
    /// The bytes.
    pub sections: Sections,
    /// Where the publisher read it.
    pub provenance: Option<Provenance>,
    /// How the name was resolved.
    pub resolution: Option<Resolution>,
    /// Digest that evidence refers to.
    pub digest: Digest,
}

/// Reads content out of sealed bytes. Implemented by `wire`, handed to the gateway by the composition root, since inside
/// nobody but the wire knows the encoding.
pub trait Codec: Send + Sync + 'static {
    /// Decodes the sections of a stored revision.
    ///
    /// # Errors
    /// When the bytes do not decode: the store is damaged.
    fn decode(&self, kind: Kind, sections: &Sections) -> Result<Content, DamagedBytes>;
}

/// Stored bytes that do not decode: damage, never a user's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes of a {kind:?} do not decode: {why}")]
pub struct DamagedBytes {
    /// Kind.
    pub kind: Kind,
    /// What the decoder said.
    pub why: String,
}
