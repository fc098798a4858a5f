//! Region codes GB/T 2260 and the reporter `66`.

/// A region: six digits, or `66` for the Corps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(u32);
