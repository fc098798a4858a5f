//! What a migration cannot say in SQL: survey rows of an older ledger are filed under the core of their names too.

use sqlx::{Connection as _, Row as _};

use super::{Connection, errors::Mapped as _};
use crate::{domain::attributes::survey_keys, store::StoreError};

/// Names the work in the table `refiled`.
const CORES: &str = "survey cores";
/// Rows read at once.
const STEP: i64 = 5_000;

/// Files what is missing, once, in one transaction: a crash leaves it undone, and the next start does it.
pub(super) async fn refile(connection: &mut Connection) -> Result<(), StoreError> {
    let done = "SELECT count(*) FROM refiled WHERE what = ?";
    if sqlx::query_scalar::<_, i64>(done).bind(CORES).fetch_one(&mut *connection).await.mapped()? > 0 {
        return Ok(());
    }
    let mut writing = connection.begin_with("BEGIN IMMEDIATE").await.mapped()?;
    let mut after = 0_i64;
    loop {
        let text =
            "SELECT position, first_position, name_key FROM revision WHERE kind = 3 AND position > ? ORDER BY position LIMIT +?";
        let rows = sqlx::query(text).bind(after).bind(STEP).fetch_all(&mut *writing).await.mapped()?;
        let mut keys = Vec::new();
        for row in &rows {
            after = row.try_get(0).mapped()?;
            let first: i64 = row.try_get(1).mapped()?;
            let name: String = row.try_get(2).mapped()?;
            keys.extend(survey_keys(&name).iter().map(|key| serde_json::json!([key.0, first])));
        }
        let text = "INSERT OR IGNORE INTO register_key (key, position) SELECT value->>0, value->>1 FROM json_each(?)";
        sqlx::query(text).bind(serde_json::Value::Array(keys).to_string()).execute(&mut *writing).await.mapped()?;
        if (rows.len() as i64) < STEP {
            break;
        }
    }
    sqlx::query("INSERT INTO refiled (what) VALUES (?)").bind(CORES).execute(&mut *writing).await.mapped()?;
    writing.commit().await.mapped()
}
