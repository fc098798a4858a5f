//! The docket: written with a group, read by its keys.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    SqliteStore,
    errors::{Mapped as _, damaged},
    int, natural,
    records::rows,
    rows::{parse_participant, parse_record_id},
    script::Script,
};
use crate::{
    domain::{
        dates::CivilDate,
        docket::{Duty, Entry, EntryKey},
        ids::{Micros, Position},
        ledger::{DocketWrite, Follow},
        records::Token as _,
        statistics::{Sheet, Tally},
    },
    store::{
        StoreError,
        docket::{DocketQuery, DocketReads, DutyCount, Lapsed},
    },
};

/// How far the ledger was read; under the head lock too.
pub(super) const FOLLOWED: &str = "SELECT position FROM follow";

/// Writes what a group does to the docket.
pub(super) fn write(script: &mut Script, writes: &DocketWrite, committed_at: Micros) {
    for Follow { to, matters, entries, tallies, .. } in &writes.follows {
        script.add("UPDATE follow SET position = ?", |values| values.bind(int(*to)));
        script.add_json(
            "DELETE FROM docket WHERE matter IN (SELECT value FROM json_each(?))",
            matters.iter().map(|matter| json!(matter)).collect(),
        );
        let row = |entry: &Entry| {
            let Entry { key, record, position, answerable, since, stated, raised_at } = entry;
            let stated = stated.map(|day| CivilDate::of_date(day.last_day()).unwrap_or(day).to_string());
            let since = CivilDate::of_date(since.first_day()).unwrap_or(*since).to_string();
            json!([
                key.matter,
                key.duty.token(),
                key.detail,
                record.as_str(),
                position,
                answerable.as_str(),
                since,
                stated,
                raised_at
            ])
        };
        script.add_json(
            "INSERT OR REPLACE INTO docket (matter, duty, detail, record_id, position, answerable, since, stated, raised_at)
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
             FROM json_each(?)",
            entries.iter().map(row).collect(),
        );
        script.add_json(
            "INSERT INTO tally (sheet, cell, number) SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true
             ON CONFLICT DO UPDATE SET number = number + excluded.number",
            tallies.iter().map(|tally| json!([tally.sheet.token(), tally.cell, tally.number])).collect(),
        );
    }
    if !writes.raised.is_empty() {
        let keys: serde_json::Value = writes.raised.iter().map(|key| json!([key.matter, key.duty.token(), key.detail])).collect();
        let text = "UPDATE docket SET raised_at = ? WHERE raised_at IS NULL AND (matter, duty, detail) IN
                    (SELECT value->>0, value->>1, value->>2 FROM json_each(?))";
        script.add(text, |values| values.bind(committed_at).bind(keys.to_string()));
    }
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT matter, duty, detail, record_id, position, answerable, since, stated, raised_at FROM docket WHERE ",
            $condition
        )
    };
}

const OF_MATTERS: &str = select!("matter IN (SELECT value FROM json_each(?))");
const ENTRIES: &str = select!(
    "(matter, duty, detail) > (?1, ?2, ?3) AND (?4 IS NULL OR duty = ?4) AND (?5 IS NULL OR answerable = ?5)
     AND (NOT ?6 OR raised_at IS NOT NULL) ORDER BY matter, duty, detail LIMIT +?7"
);
const COUNTED: &str = select!("duty = ? AND since <= ? AND raised_at IS NULL AND stated IS NULL ORDER BY since, matter LIMIT +?");
const STATED: &str = select!("stated < ? AND raised_at IS NULL AND stated IS NOT NULL ORDER BY stated, matter LIMIT +?");
const COUNTS: &str = "SELECT duty, count(*), count(raised_at), min(since) FROM docket GROUP BY duty ORDER BY duty";

fn day(text: &str) -> Result<CivilDate, StoreError> {
    CivilDate::parse(text).ok_or_else(|| damaged("a day of the docket", text))
}

fn duty(token: &str) -> Result<Duty, StoreError> {
    Duty::parse(token).ok_or_else(|| damaged("a duty of the docket", token))
}

fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    let stated: Option<&str> = row.try_get(7).mapped()?;
    Ok(Entry {
        key: EntryKey {
            matter: row.try_get(0).mapped()?,
            duty: duty(row.try_get(1).mapped()?)?,
            detail: row.try_get(2).mapped()?,
        },
        record: parse_record_id(row.try_get(3).mapped()?)?,
        position: natural(row.try_get(4).mapped()?)?,
        answerable: parse_participant(row.try_get(5).mapped()?)?,
        since: day(row.try_get(6).mapped()?)?,
        stated: stated.map(day).transpose()?,
        raised_at: row.try_get(8).mapped()?,
    })
}

#[async_trait]
impl DocketReads for SqliteStore {
    async fn followed(&self) -> Result<Position, StoreError> {
        let position = sqlx::query_scalar::<_, i64>(FOLLOWED).fetch_one(&mut *self.reader().await?).await.mapped()?;
        natural(position)
    }

    async fn of_matters(&self, matters: &[String]) -> Result<Vec<Entry>, StoreError> {
        let query = sqlx::query(OF_MATTERS).bind(json!(matters).to_string());
        query.fetch_all(&mut *self.reader().await?).await.mapped()?.iter().map(entry).collect()
    }

    async fn entries(&self, query: &DocketQuery, after: Option<&EntryKey>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let (matter, duty, detail) =
            after.map_or(("", "", ""), |key| (key.matter.as_str(), key.duty.token(), key.detail.as_str()));
        let asked = sqlx::query(ENTRIES)
            .bind(matter.to_owned())
            .bind(duty)
            .bind(detail.to_owned())
            .bind(query.duty.map(Duty::token))
            .bind(query.answerable.as_ref().map(|participant| participant.as_str().to_owned()))
            .bind(query.overdue)
            .bind(rows(limit));
        asked.fetch_all(&mut *self.reader().await?).await.mapped()?.iter().map(entry).collect()
    }

    async fn lapsed(&self, lapsed: Lapsed, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let query = match lapsed {
            Lapsed::Counted(duty, since) => sqlx::query(COUNTED).bind(duty.token()).bind(since.to_string()),
            Lapsed::Stated(before) => sqlx::query(STATED).bind(before.to_string()),
        };
        query.bind(rows(limit)).fetch_all(&mut *self.reader().await?).await.mapped()?.iter().map(entry).collect()
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let found = sqlx::query("SELECT sheet, cell, number FROM tally ORDER BY sheet, cell")
            .fetch_all(&mut *self.reader().await?)
            .await
            .mapped()?;
        let tally = |row: &SqliteRow| {
            let sheet: &str = row.try_get(0).mapped()?;
            Ok(Tally {
                sheet: Sheet::parse(sheet).ok_or_else(|| damaged("a sheet of the statistics", sheet))?,
                cell: row.try_get(1).mapped()?,
                number: row.try_get(2).mapped()?,
            })
        };
        found.iter().map(tally).collect()
    }

    async fn counts(&self) -> Result<Vec<DutyCount>, StoreError> {
        let found = sqlx::query(COUNTS).fetch_all(&mut *self.reader().await?).await.mapped()?;
        let count = |row: &SqliteRow| {
            Ok(DutyCount {
                duty: duty(row.try_get(0).mapped()?)?,
                open: natural(row.try_get(1).mapped()?)?,
                overdue: natural(row.try_get(2).mapped()?)?,
                oldest: day(row.try_get(3).mapped()?)?,
            })
        };
        found.iter().map(count).collect()
    }
}
