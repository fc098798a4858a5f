//! temporary
pub struct ScreeningDesk;
