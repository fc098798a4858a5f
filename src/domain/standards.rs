//! Standards as claimed.

/// A standard, normalised, e.g. `GB/T 32610-2016`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Standard(String);
