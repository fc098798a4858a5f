//! temporary
use std::sync::Arc; use crate::{domain::{draft::StoredRecord, ids::Position}, store::StoreError};
pub struct Pages;
impl Pages { pub async fn after(&self, _a: Position, _u: Position) -> Result<Vec<Arc<StoredRecord>>, StoreError> { unimplemented!() } }
