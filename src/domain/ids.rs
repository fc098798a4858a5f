//! Names of things: participants, systems, records, positions. Each is parsed once and trusted after.

use std::{fmt, sync::Arc};

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{read}`: {rule}")]
pub struct NameError {
    /// What sort of name it was meant to be.
    pub what: &'static str,
    /// What was read.
    pub read: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// An organisation admitted to the exchange, e.g. `amr-330000`: `[a-z0-9-]`, 2 to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantId(Arc<str>);

/// A certificate-bearing client of a participant, e.g. `gacc/risk-control`; the unit of mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SystemId {
    /// The participant it belongs to.
    pub participant: ParticipantId,
    /// Its own name: `[a-z0-9-]`, 1 to 64 characters.
    pub name: String,
}

/// Name of a record; begins with its first publisher: `<participant>/…`, at most 200 characters, no white space or control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(Arc<str>);

/// Number of a revision of a record, from 1.
pub type Revision = u32;

/// Place in the ledger, from 1, without gaps; 0 stands for "before the first".
///
/// Order cannot change in hindsight: a position is taken inside the committing transaction, under the lock of the head row.
///
/// ```text
/// writer A   lock head(41) ── take 42 ── write ── commit ─┐
/// writer B                  waits …                       └ lock head(42) ── take 43 ── commit
/// reader                         sees 41            sees 42                       sees 43
/// ```
///
/// B cannot take 43 before A has committed 42, so who has seen n never later sees a new entry at or below n.
pub type Position = u64;

fn is_label(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl ParticipantId {
    /// Parses a participant's name.
    ///
    /// # Errors
    /// When it is not 2 to 32 characters of `[a-z0-9-]`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_label(text, 2, 32) {
            return Ok(Self(text.into()));
        }
        Err(NameError { what: "participant", read: text.to_owned(), rule: "2 to 32 characters of a-z, 0-9 and -" })
    }

    /// The name, to be kept by others too.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SystemId {
    /// Parses `<participant>/<system>`.
    ///
    /// # Errors
    /// When a part is missing or breaks its rule.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let rule = "<participant>/<system>, both of a-z, 0-9 and -";
        let fail = || NameError { what: "system", read: text.to_owned(), rule };
        let (participant, name) = text.split_once('/').ok_or_else(fail)?;
        if !is_label(name, 1, 64) {
            return Err(fail());
        }
        Ok(Self { participant: ParticipantId::parse(participant)?, name: name.to_owned() })
    }
}

impl RecordId {
    /// Parses a record id.
    ///
    /// # Errors
    /// When it is longer than 200 characters, has white space or control characters, or does not begin with a participant and `/`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fail = |rule| NameError { what: "record id", read: text.chars().take(220).collect(), rule };
        // Nearly all are of this sort, and need not be read character by character.
        let is_plain = text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain && text.chars().count() > 200 {
            return Err(fail("at most 200 characters"));
        }
        if !is_plain && text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(fail("no white space or control characters"));
        }
        match text.split_once('/') {
            Some((publisher, rest)) if !rest.is_empty() && is_label(publisher, 2, 32) => Ok(Self(text.into())),
            _ => Err(fail("begins with its publisher and a slash: <participant>/<number>")),
        }
    }

    /// The id, to be kept by others too.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The participant whose namespace it is in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(publisher, _)| publisher)
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.participant, self.name)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
