//! The canonical bytes of an entry: the one place where the domain knows the wire, since index and commit time are known only under
//! the head lock.
//!
//! Invariant: bytes are canonical when they equal their own re-encoding (fields ascending, no unknown or repeated single fields, no
//! written-out defaults). One entry has one form, so one leaf hash.

use prost::Message as _;
use serde::Serialize;

use super::entry::{ActKind, EvidenceDraft, PositionRange};
use crate::{
    domain::{
        digest::{Digest, sha256},
        ids::{Micros, Position},
    },
    proto as pb,
};

/// Version of the entry's format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// What an entry says of free text (purpose, reasons): a digest over a random salt and the text, so that the text can be proved by who
/// keeps both, and not be guessed by who reads the log.
#[must_use]
pub fn commitment(salt: &[u8; 16], text: &str) -> Digest {
    sha256(&[b"tongbao/commitment/v1", salt, text.as_bytes()])
}

impl EvidenceDraft {
    /// The canonical bytes: the leaf of the tree. `index` is the place in the log, from 0; `time` the commit time; `head` the last
    /// position after the act.
    #[must_use]
    pub fn seal(&self, index: u64, time: Micros, head: Position) -> Vec<u8> {
        let (participant, system) = self
            .actor
            .system
            .as_ref()
            .map_or_else(Default::default, |system| (system.participant.as_str().to_owned(), system.name.clone()));
        pb::EvidenceEntry {
            format_version: FORMAT_VERSION,
            index,
            time_us: time,
            kind: self.kind as i32,
            participant,
            system,
            certificate_sha256: optional(self.actor.certificate_sha256.as_ref()),
            operator: self.actor.operator.clone().unwrap_or_default(),
            request_id: self.request_id.clone(),
            method: self.method.clone(),
            subscription: self.subscription.clone(),
            feeds: self.feeds.iter().map(|feed| feed.name().to_owned()).collect(),
            positions: self.positions.iter().map(|range| pb::PositionRange { first: range.first, last: range.last }).collect(),
            records_root: optional(self.records_root.as_ref()),
            outcome: self.outcome.clone(),
            subjects: self.subjects.clone(),
            commitment: optional(self.commitment.as_ref()),
            counts: self.counts.iter().map(|&(name, value)| pb::Count { name: name.to_owned(), value }).collect(),
            head,
        }
        .encode_to_vec()
    }
}

fn optional(digest: Option<&Digest>) -> bytes::Bytes {
    digest.map_or_else(bytes::Bytes::new, |digest| bytes::Bytes::copy_from_slice(digest))
}

/// An entry as read back. Names are plain text: a reader of an old log must not fail on a participant that was renamed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Place in the log, from 0.
    pub index: u64,
    /// Commit time, microseconds since 1970-01-01T00:00:00Z.
    pub time_us: Micros,
    /// What.
    pub kind: ActKind,
    /// Participant that acted; empty = the gateway itself, or an unknown certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub participant: String,
    /// System that acted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system: String,
    /// SHA-256 of the certificate presented.
    #[serde(serialize_with = "as_hex", skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<Digest>,
    /// Operator.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// Request id or trace id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Full name of the method or act.
    pub method: String,
    /// Subscription acted on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subscription: String,
    /// Feeds touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<String>,
    /// Positions, ascending, not overlapping.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<PositionRange>,
    /// Tree hash over the record digests at those positions.
    #[serde(serialize_with = "as_hex", skip_serializing_if = "Option::is_none")]
    pub records_root: Option<Digest>,
    /// `OK` or the reason of the refusal.
    pub outcome: String,
    /// What was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// Salted commitment to free text.
    #[serde(serialize_with = "as_hex", skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Digest>,
    /// Named numbers, in the order written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<(String, u64)>,
    /// Last position of the ledger after this act.
    pub head: Position,
}

#[expect(clippy::ref_option, reason = "the signature that serialize_with asks for")]
fn as_hex<S: serde::Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&digest.as_ref().map(|digest| crate::domain::digest::hex(digest)).unwrap_or_default())
}

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// They do not decode.
    #[error("the bytes do not decode as an evidence entry: {0}")]
    Undecodable(String),
    /// They decode, but are not what this entry is encoded as.
    #[error("the bytes are not the canonical form of the entry they decode to")]
    NotCanonical,
    /// Of another version of the format.
    #[error("format version {0} is not known to this program: use a newer one")]
    UnknownVersion(u32),
    /// A field is out of its bounds.
    #[error("field `{field}`: {rule}")]
    Field {
        /// Name as in `evidence.proto`.
        field: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
}

fn digest_field(field: &'static str, bytes: &[u8]) -> Result<Option<Digest>, EntryError> {
    match bytes {
        [] => Ok(None),
        _ => bytes.try_into().map(Some).map_err(|_| EntryError::Field { field, rule: "32 bytes, or none" }),
    }
}

/// Reads an entry from its canonical bytes.
///
/// # Errors
/// When the bytes do not decode, differ from their re-encoding, or a field breaks its rule.
pub fn read_entry(bytes: &[u8]) -> Result<Entry, EntryError> {
    let read = pb::EvidenceEntry::decode(bytes).map_err(|error| EntryError::Undecodable(error.to_string()))?;
    if read.encode_to_vec() != bytes {
        return Err(EntryError::NotCanonical);
    }
    if read.format_version != FORMAT_VERSION {
        return Err(EntryError::UnknownVersion(read.format_version));
    }
    let kind = ActKind::from_number(read.kind).ok_or(EntryError::Field { field: "kind", rule: "a known kind of act" })?;
    if read.time_us < 0 {
        return Err(EntryError::Field { field: "time_us", rule: "not before 1970" });
    }
    let mut before = 0;
    let mut positions = Vec::with_capacity(read.positions.len());
    for range in read.positions {
        if range.first <= before || range.last < range.first {
            return Err(EntryError::Field { field: "positions", rule: "ranges from 1, ascending, not overlapping" });
        }
        before = range.last;
        positions.push(PositionRange { first: range.first, last: range.last });
    }
    Ok(Entry {
        index: read.index,
        time_us: read.time_us,
        kind,
        participant: read.participant,
        system: read.system,
        certificate_sha256: digest_field("certificate_sha256", &read.certificate_sha256)?,
        operator: read.operator,
        request_id: read.request_id,
        method: read.method,
        subscription: read.subscription,
        feeds: read.feeds,
        positions,
        records_root: digest_field("records_root", &read.records_root)?,
        outcome: read.outcome,
        subjects: read.subjects,
        commitment: digest_field("commitment", &read.commitment)?,
        counts: read.counts.into_iter().map(|count| (count.name, count.value)).collect(),
        head: read.head,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::entry::Actor, *};
    use crate::domain::{feeds::Feed, ids::SystemId};

    fn full() -> EvidenceDraft {
        let actor = Actor {
            system: Some(SystemId::parse("gacc/risk-control").expect("a name")),
            certificate_sha256: Some([7; 32]),
            operator: Some("li".to_owned()),
        };
        EvidenceDraft {
            request_id: "r-1".to_owned(),
            subscription: "risk".to_owned(),
            feeds: vec![Feed::FailedProducts],
            positions: vec![PositionRange { first: 3, last: 9 }, PositionRange { first: 12, last: 12 }],
            records_root: Some([8; 32]),
            subjects: vec!["91330000PDY000014K".to_owned()],
            commitment: Some(commitment(&[1; 16], "为核查出口申报")),
            counts: vec![("ack", 8), ("retry", 0)],
            ..EvidenceDraft::new(ActKind::Disclose, actor, "tongbao.v1.FeedService/Subscribe")
        }
    }

    #[test]
    fn what_is_sealed_is_read_back() {
        let bytes = full().seal(41, 1_700_000_000_000_000, 12);
        let entry = read_entry(&bytes).expect("own bytes");
        assert_eq!((entry.index, entry.time_us, entry.head), (41, 1_700_000_000_000_000, 12));
        assert_eq!((entry.participant.as_str(), entry.system.as_str()), ("gacc", "risk-control"));
        assert_eq!(entry.kind, ActKind::Disclose);
        assert_eq!(entry.positions, full().positions);
        assert_eq!(entry.certificate_sha256, Some([7; 32]));
        assert_eq!(entry.counts, [("ack".to_owned(), 8), ("retry".to_owned(), 0)]);
    }

    #[test]
    fn an_unknown_field_or_a_second_value_is_not_canonical() {
        let bytes = full().seal(0, 1, 0);
        let unknown = [&bytes[..], &[0xa0, 0x06, 0x01]].concat();
        assert_eq!(read_entry(&unknown), Err(EntryError::NotCanonical));
        let twice = [&bytes[..], &[0x10, 0x05]].concat();
        assert_eq!(read_entry(&twice), Err(EntryError::NotCanonical));
        let written_default = [&[0x10, 0x00], &bytes[..]].concat();
        assert_eq!(read_entry(&written_default), Err(EntryError::NotCanonical));
    }

    #[test]
    fn rules_of_fields_are_kept() {
        let mut draft = full();
        draft.positions = vec![PositionRange { first: 5, last: 4 }];
        assert!(matches!(read_entry(&draft.seal(0, 1, 0)), Err(EntryError::Field { field: "positions", .. })));
        draft.positions = vec![PositionRange { first: 1, last: 4 }, PositionRange { first: 4, last: 5 }];
        assert!(matches!(read_entry(&draft.seal(0, 1, 0)), Err(EntryError::Field { field: "positions", .. })));
        assert!(matches!(read_entry(&full().seal(0, -1, 0)), Err(EntryError::Field { field: "time_us", .. })));
        let kind = pb::EvidenceEntry { format_version: 1, kind: 99, ..Default::default() };
        assert!(matches!(read_entry(&kind.encode_to_vec()), Err(EntryError::Field { field: "kind", .. })));
        let version = pb::EvidenceEntry { format_version: 2, kind: 1, ..Default::default() };
        assert_eq!(read_entry(&version.encode_to_vec()), Err(EntryError::UnknownVersion(2)));
        assert_eq!(read_entry(&[]), Err(EntryError::UnknownVersion(0)));
        let short = pb::EvidenceEntry { format_version: 1, kind: 1, commitment: vec![1, 2].into(), ..Default::default() };
        assert!(matches!(read_entry(&short.encode_to_vec()), Err(EntryError::Field { field: "commitment", .. })));
    }

    #[test]
    fn a_commitment_depends_on_salt_and_text() {
        assert_ne!(commitment(&[1; 16], "a"), commitment(&[2; 16], "a"));
        assert_ne!(commitment(&[1; 16], "a"), commitment(&[1; 16], "b"));
    }

    proptest! {
        #[test]
        fn any_change_of_a_byte_is_refused_or_seen(at in any::<prop::sample::Index>(), change in 1u8..) {
            let bytes = full().seal(41, 1_700_000_000_000_000, 12);
            let original = read_entry(&bytes).expect("own bytes");
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= change;
            if let Ok(entry) = read_entry(&changed) {
                prop_assert_ne!(entry, original);
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_entry(&bytes);
        }
    }
}
