//! Writing the ledger: revisions, records, keys, chains, attestations.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::json;
use sqlx::Row as _;

use super::{
    Connection,
    errors::Mapped as _,
    int,
    keys::{Run, filed},
    read_set::{attestation_key, region_number},
    rows::{REVISION_COLUMNS, bind_revision},
    script::{Script, Writing},
    set_rows::{NumbersInsert, RowInsert},
};
use crate::{
    domain::ledger::{Attestation, WritePlan},
    store::StoreError,
};

static REVISIONS: LazyLock<RowInsert> =
    LazyLock::new(|| RowInsert::new(&format!("INSERT INTO revision ({REVISION_COLUMNS})"), 21, ""));

static RECORDS: LazyLock<RowInsert> = LazyLock::new(|| {
    RowInsert::new(
        "INSERT INTO record (first_position, record_id, kind, order_key, nonconformity, revision, position, content_digest)",
        8,
        "ON CONFLICT (first_position) DO UPDATE SET revision = excluded.revision, position = excluded.position, \
         content_digest = excluded.content_digest",
    )
});

// A later revision is filed again under names it has kept.
static REGISTER: LazyLock<NumbersInsert<2>> =
    LazyLock::new(|| NumbersInsert::new("INSERT OR IGNORE INTO register_key (key, position)"));

/// Writes what the group changes of the ledger, and answers the keys that it files.
pub(super) async fn write(writing: &mut Writing<'_>, plan: &WritePlan) -> Result<Vec<Run>, StoreError> {
    REVISIONS.write(writing, &plan.revisions, bind_revision).await?;
    let mut records: Vec<_> = plan.records.iter().collect();
    // In the order of the table: what is new goes at its end.
    records.sort_unstable_by_key(|(_, record)| record.first_position);
    RECORDS
        .write(writing, &records, |values, (id, record)| {
            values
                .bind(int(record.first_position))
                .bind(id.shared())
                .bind(i64::from(record.kind.number()))
                .bind(record.order_key.0.as_ref().to_owned())
                .bind(record.nonconformity.map(int))
                .bind(i64::from(record.revision))
                .bind(int(record.position))
                .bind(record.content_digest.to_vec())
        })
        .await?;
    let (runs, register) = filed(plan);
    for run in &runs {
        let text = "INSERT INTO key_run (last_position, keys) VALUES (?, ?)";
        writing.script.add(text, |values| values.bind(int(run.last)).bind(run.to_bytes()));
    }
    REGISTER.write(writing, &register).await?;
    write_chains(&mut writing.script, plan);
    let attestations = plan.attestations.iter().map(|((publisher, feed, region), complete_to)| {
        json!([publisher.as_str(), feed.name(), region_number(*region), complete_to])
    });
    let text = "INSERT INTO attestation (publisher, feed, region, complete_to)
                SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true
                ON CONFLICT DO UPDATE SET complete_to = excluded.complete_to";
    writing.script.add_json(text, attestations.collect());
    Ok(runs)
}

fn write_chains(script: &mut Script, plan: &WritePlan) {
    let last: BTreeMap<_, _> = plan.chain.iter().map(|write| ((write.nonconformity, write.disposition), write.step)).collect();
    let put = last.iter().filter_map(|((nonconformity, disposition), step)| {
        step.as_ref().map(|step| json!([nonconformity, disposition, step.pack()]))
    });
    let drop = last
        .iter()
        .filter(|(_, step)| step.is_none())
        .map(|((nonconformity, disposition), _)| json!([nonconformity, disposition]));
    let text = "INSERT OR REPLACE INTO chain (nonconformity, disposition, step)
                SELECT value->>0, value->>1, value->>2 FROM json_each(?)";
    script.add_json(text, put.collect());
    let text = "DELETE FROM chain WHERE (nonconformity, disposition) IN (SELECT value->>0, value->>1 FROM json_each(?))";
    script.add_json(text, drop.collect());
}

pub(super) async fn attestations(connection: &mut Connection) -> Result<Vec<Attestation>, StoreError> {
    let text = "SELECT publisher, feed, region, complete_to FROM attestation ORDER BY publisher, feed, region";
    let rows = sqlx::query(text).fetch_all(connection).await.mapped()?;
    let attestation = |row| {
        let (publisher, feed, region) = attestation_key(row)?;
        Ok(Attestation { publisher, feed, region, complete_to: row.try_get(3).mapped()? })
    };
    rows.iter().map(attestation).collect()
}
