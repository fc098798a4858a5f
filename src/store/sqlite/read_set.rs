//! Reading what a group needs to know, under the head lock: one statement for each sort of thing that is needed at all.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    errors::{Mapped as _, damaged},
    int, natural,
    records::numbers,
    rows::{attributes, parse_code, parse_kind, parse_participant, parse_record_id, parse_region, parse_step, sections},
    set_rows::{Binding, Writing},
    subscriptions::{parse_key, text_key},
};
use crate::{
    domain::{
        draft::OrderKey,
        evidence::Frontier,
        feeds::Feed,
        ids::{Position, RecordId, Revision},
        ledger::{
            AttestationKey, Chain, Needs, ReadSet, Register, RegisterEntry, StandingRecord, StandingRevision,
            StandingSubscription,
        },
        records::Kind,
        regions::Region,
    },
    store::{StoreError, encoding::decode},
};

/// Reads what is needed.
pub(super) async fn load(writing: &mut Writing<'_>, needs: &Needs, frontier: Frontier) -> Result<ReadSet, StoreError> {
    let records = records(writing, needs).await?;
    let revisions = revisions(writing, needs, &records).await?;
    let chains = chains(writing, needs, &records).await?;
    let register = register(writing, needs).await?;
    let attestations = attestations(writing, needs).await?;
    let subscriptions = subscriptions(writing, needs).await?;
    Ok(ReadSet { records, revisions, register, chains, attestations, subscriptions, frontier })
}

async fn fetch(writing: &mut Writing<'_>, query: Binding) -> Result<Vec<SqliteRow>, StoreError> {
    writing.statements += 1;
    query.fetch_all(&mut *writing.connection).await.mapped()
}

async fn records(writing: &mut Writing<'_>, needs: &Needs) -> Result<HashMap<RecordId, StandingRecord>, StoreError> {
    if needs.records.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = needs.records.iter().map(RecordId::as_str).collect::<serde_json::Value>().to_string();
    let text = "SELECT v.kind, v.withdrawn, v.published, v.region, v.product_kinds, v.failed_items, v.step, v.credit_code, \
                v.name_key, r.record_id, r.first_position, r.order_key, r.nonconformity, r.revision, r.position, \
                r.content_digest, v.resolution
                FROM json_each(?1) j CROSS JOIN record r ON r.record_id = j.value
                CROSS JOIN revision v ON v.position = r.position";
    fetch(writing, sqlx::query(text).bind(ids)).await?.iter().map(standing_record).collect()
}

fn standing_record(row: &SqliteRow) -> Result<(RecordId, StandingRecord), StoreError> {
    let attributes = attributes(row, 0)?;
    let digest: Vec<u8> = row.try_get(15).mapped()?;
    let resolution: Option<String> = row.try_get(16).mapped()?;
    let standing = StandingRecord {
        first_position: natural(row.try_get(10).mapped()?)?,
        kind: attributes.kind,
        order_key: OrderKey(row.try_get(11).mapped()?),
        nonconformity: row.try_get::<Option<i64>, _>(12).mapped()?.map(natural).transpose()?,
        revision: row.try_get(13).mapped()?,
        position: natural(row.try_get(14).mapped()?)?,
        content_digest: digest.try_into().map_err(|_| damaged("record.content_digest", "not 32 bytes"))?,
        attributes,
        resolution: resolution.map(|text| decode(&text)).transpose()?,
    };
    Ok((parse_record_id(row.try_get(9).mapped()?)?, standing))
}

/// Earlier revisions asked for by number: rare, a late repetition. Their content digests are computed from their bytes.
async fn revisions(
    writing: &mut Writing<'_>,
    needs: &Needs,
    records: &HashMap<RecordId, StandingRecord>,
) -> Result<HashMap<(RecordId, Revision), StandingRevision>, StoreError> {
    let earlier: Vec<_> = needs
        .revisions
        .iter()
        .filter_map(|(id, asked)| records.get(id).filter(|record| *asked < record.revision).map(|record| (id, *asked, record)))
        .collect();
    if earlier.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = earlier.iter().map(|(_, asked, record)| json!([record.first_position, asked])).collect();
    let text = "SELECT j.key, v.position, v.kind, v.open, v.restricted, v.salts, v.resolution
                FROM json_each(?1) j CROSS JOIN revision v ON v.position = CASE WHEN j.value->>1 = 1 THEN j.value->>0
                ELSE (SELECT l.position FROM revision l WHERE l.first_position = j.value->>0 AND l.revision > 1
                      AND l.revision = j.value->>1) END";
    let rows = fetch(writing, sqlx::query(text).bind(serde_json::Value::Array(wanted).to_string())).await?;
    let mut revisions = HashMap::with_capacity(rows.len());
    for row in &rows {
        let index = natural(row.try_get(0).mapped()?)? as usize;
        let Some((id, asked, _)) = earlier.get(index) else { continue };
        let resolution: Option<String> = row.try_get(6).mapped()?;
        let standing = StandingRevision {
            position: natural(row.try_get(1).mapped()?)?,
            content_digest: sections(row, 3)?.content_digest(parse_kind(row.try_get(2).mapped()?)?),
            resolution: resolution.map(|text| decode(&text)).transpose()?,
        };
        revisions.insert(((*id).clone(), *asked), standing);
    }
    Ok(revisions)
}

async fn chains(
    writing: &mut Writing<'_>,
    needs: &Needs,
    records: &HashMap<RecordId, StandingRecord>,
) -> Result<HashMap<Position, Chain>, StoreError> {
    let standing = |id: &RecordId| records.get(id).filter(|record| record.kind == Kind::Nonconformity);
    let wanted: Vec<i64> = needs.chains.iter().filter_map(standing).map(|record| int(record.first_position)).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let text =
        "SELECT c.nonconformity, c.disposition, c.step FROM json_each(?1) j CROSS JOIN chain c ON c.nonconformity = j.value";
    let mut chains: HashMap<Position, Chain> = HashMap::new();
    for row in fetch(writing, sqlx::query(text).bind(numbers(wanted))).await? {
        let nonconformity = natural(row.try_get(0).mapped()?)?;
        let step = parse_step(row.try_get(2).mapped()?)?;
        chains.entry(nonconformity).or_default().insert(natural(row.try_get(1).mapped()?)?, step);
    }
    Ok(chains)
}

async fn register(writing: &mut Writing<'_>, needs: &Needs) -> Result<Register, StoreError> {
    let mut register = Register::default();
    if needs.register.is_empty() {
        return Ok(register);
    }
    let text = "SELECT DISTINCT r.record_id, r.position, v.credit_code, v.name_key, v.region
                FROM json_each(?1) j CROSS JOIN register_key k ON k.key = j.value
                CROSS JOIN record r ON r.first_position = k.position
                CROSS JOIN revision v ON v.position = r.position
                WHERE r.kind = ?2 AND v.withdrawn = 0 AND v.credit_code IS NOT NULL";
    let query =
        sqlx::query(text).bind(numbers(needs.register.iter().map(|key| key.0))).bind(i64::from(Kind::EnterpriseSurvey.number()));
    for row in fetch(writing, query).await? {
        register.put(RegisterEntry {
            record_id: parse_record_id(row.try_get(0).mapped()?)?,
            position: natural(row.try_get(1).mapped()?)?,
            credit_code: parse_code(row.try_get(2).mapped()?)?,
            name_key: row.try_get(3).mapped()?,
            region: row.try_get::<Option<u32>, _>(4).mapped()?.map(parse_region).transpose()?,
        });
    }
    Ok(register)
}

/// A region as a column that is part of a key; 0 = nationwide.
pub(super) fn region_number(region: Option<Region>) -> u32 {
    region.map_or(0, Region::number)
}

/// Reads publisher, feed and region from the first three columns.
pub(super) fn attestation_key(row: &SqliteRow) -> Result<AttestationKey, StoreError> {
    let feed: &str = row.try_get(1).mapped()?;
    let region: u32 = row.try_get(2).mapped()?;
    Ok((
        parse_participant(row.try_get(0).mapped()?)?,
        Feed::parse(feed).ok_or_else(|| damaged("attestation.feed", feed))?,
        if region == 0 { None } else { Some(parse_region(region)?) },
    ))
}

async fn attestations(writing: &mut Writing<'_>, needs: &Needs) -> Result<HashMap<AttestationKey, i64>, StoreError> {
    if needs.attestations.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = needs
        .attestations
        .iter()
        .map(|(publisher, feed, region)| json!([publisher.as_str(), feed.name(), region_number(*region)]));
    let text = "SELECT a.publisher, a.feed, a.region, a.complete_to FROM json_each(?1) j CROSS JOIN attestation a
                ON a.publisher = j.value->>0 AND a.feed = j.value->>1 AND a.region = j.value->>2";
    let rows = fetch(writing, sqlx::query(text).bind(serde_json::Value::Array(wanted.collect()).to_string())).await?;
    rows.iter().map(|row| Ok((attestation_key(row)?, row.try_get(3).mapped()?))).collect()
}

async fn subscriptions(
    writing: &mut Writing<'_>,
    needs: &Needs,
) -> Result<HashMap<crate::domain::delivery::SubscriptionKey, StandingSubscription>, StoreError> {
    if needs.subscriptions.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = needs.subscriptions.iter().map(text_key).collect::<serde_json::Value>().to_string();
    let text =
        "SELECT s.subscription, s.spec, s.epoch FROM json_each(?1) j CROSS JOIN subscription s ON s.subscription = j.value";
    let mut standing = HashMap::new();
    for row in fetch(writing, sqlx::query(text).bind(wanted)).await? {
        let spec = decode(row.try_get(1).mapped()?)?;
        let epoch = natural(row.try_get(2).mapped()?)?;
        standing.insert(parse_key(row.try_get(0).mapped()?)?, StandingSubscription { spec, epoch });
    }
    Ok(standing)
}
