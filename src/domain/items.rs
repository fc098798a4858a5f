//! Inspection items.

/// An inspection item; unknown ones keep their wording.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InspectionItem {
    /// Index into the table of known items.
    Known(u8),
    /// As worded.
    Other(String),
}
