//! temporary
pub struct PullDesk;
