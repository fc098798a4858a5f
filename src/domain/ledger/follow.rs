//! What is kept beside the ledger and follows from it: the docket, and how far the ledger was read for it. No fact of its own, and so
//! without evidence; that a duty was raised as overdue is an act.

use crate::domain::{
    docket::{Entry, EntryKey},
    ids::Position,
    statistics::Tally,
};

/// The docket takes in the revisions up to a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// Refused as fenced unless it was read exactly up to here.
    pub from: Position,
    /// Read up to here now.
    pub to: Position,
    /// Matters whose entries are replaced: all that stood go.
    pub matters: Vec<String>,
    /// The entries that stand now.
    pub entries: Vec<Entry>,
    /// Numbers to add to the statistics, each cell once.
    pub tallies: Vec<Tally>,
}

/// What a group does to the docket.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DocketWrite {
    /// What follows from the ledger.
    pub follows: Vec<Follow>,
    /// What was raised as overdue, at commit time.
    pub raised: Vec<EntryKey>,
}

impl DocketWrite {
    /// True when nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.follows.is_empty() && self.raised.is_empty()
    }
}
