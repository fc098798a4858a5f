//! Reads everything and compares (in work).
use super::Connection;
use crate::store::StoreError;
pub(super) async fn check_everything(_: &mut Connection) -> Result<Vec<String>, StoreError> {
    Ok(vec![])
}
