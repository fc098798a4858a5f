//! Reading what a group needs to know, under the head lock: no statement needs another's answer, so that
//! all are asked at once.

use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    docket::FOLLOWED,
    errors::{Mapped as _, damaged},
    natural,
    rows::{attributes, parse_code, parse_kind, parse_participant, parse_record_id, parse_region, parse_step, sections},
    script::Script,
    subscriptions::{parse_key, text_key},
};
use crate::{
    domain::{
        draft::OrderKey,
        evidence::Frontier,
        feeds::Feed,
        ids::{Position, RecordId},
        ledger::{AttestationKey, Needs, ReadSet, RegisterEntry, StandingRecord, StandingRevision, StandingSubscription},
        records::Kind,
        regions::Region,
    },
    store::{StoreError, encoding::decode},
};

/// What is asked of the store for a group: one statement for each sort of thing that is needed at all.
pub(super) struct Asking {
    parts: Vec<Part>,
}

/// What reads the rows of one statement into the read set.
type Part = fn(&[SqliteRow], &mut ReadSet) -> Result<(), StoreError>;

impl Asking {
    /// Adds what is needed to a script.
    pub(super) fn new(script: &mut Script, needs: &Needs) -> Self {
        let mut asking = Self { parts: Vec::new() };
        if !needs.records.is_empty() {
            let ids: Vec<&str> = needs.records.iter().map(RecordId::as_str).collect();
            script.add(RECORDS, |values| values.bind(json!(ids).to_string()));
            asking.parts.push(records);
        }
        let revisions = needs.revisions.iter().map(|(id, asked)| json!([id.as_str(), asked])).collect();
        asking.ask(script, REVISIONS, revisions, revisions_of);
        asking.ask(script, REGISTER, needs.register.iter().map(|key| json!(key.0)).collect(), register);
        let attested =
            |(publisher, feed, region): &AttestationKey| json!([publisher.as_str(), feed.name(), region_number(*region)]);
        asking.ask(script, ATTESTATIONS, needs.attestations.iter().map(attested).collect(), attestations);
        let named = needs.subscriptions.iter().map(|key| json!(text_key(key))).collect();
        asking.ask(script, SUBSCRIPTIONS, named, subscriptions);
        if needs.followed {
            script.say(FOLLOWED);
            asking.parts.push(followed);
        }
        asking
    }

    fn ask(&mut self, script: &mut Script, text: &str, wanted: Vec<serde_json::Value>, part: Part) {
        if !wanted.is_empty() {
            script.add_json(text, wanted);
            self.parts.push(part);
        }
    }

    /// Reads the answers, one list of rows for each statement that was added.
    pub(super) fn read(self, answers: &[Vec<SqliteRow>], frontier: Frontier) -> Result<ReadSet, StoreError> {
        let mut read = ReadSet { frontier, ..ReadSet::default() };
        self.parts.iter().zip(answers).try_for_each(|(part, rows)| part(rows, &mut read))?;
        Ok(read)
    }
}

fn followed(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    read.followed = rows.first().map(|row| natural(row.try_get(0).mapped()?)).transpose()?;
    Ok(())
}

const RECORDS: &str =
    "SELECT v.kind, v.withdrawn, v.published, v.region, v.product_kinds, v.failed_items, v.step, v.credit_code, \
    v.name_key, r.record_id, r.first_position, r.order_key, r.nonconformity, r.revision, r.position, \
    r.content_digest, v.resolution, (SELECT json_group_array(json_array(c.disposition, c.step)) FROM chain c \
    WHERE c.nonconformity = r.first_position)
    FROM json_each(?) j CROSS JOIN record r ON r.record_id = j.value
    CROSS JOIN revision v ON v.position = r.position";

fn records(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    for row in rows {
        let (id, standing) = standing_record(row)?;
        // Only a nonconformity has steps filed under it.
        let chain: Vec<(Position, u32)> =
            serde_json::from_str(row.try_get(17).mapped()?).map_err(|error| damaged("chain.step", error))?;
        if !chain.is_empty() {
            let steps = chain.into_iter().map(|(disposition, step)| Ok((disposition, parse_step(step)?)));
            read.chains.insert(standing.first_position, steps.collect::<Result<_, StoreError>>()?);
        }
        read.records.insert(id, standing);
    }
    Ok(())
}

fn standing_record(row: &SqliteRow) -> Result<(RecordId, StandingRecord), StoreError> {
    let attributes = attributes(row, 0)?;
    let digest: Vec<u8> = row.try_get(15).mapped()?;
    let resolution: Option<String> = row.try_get(16).mapped()?;
    let standing = StandingRecord {
        first_position: natural(row.try_get(10).mapped()?)?,
        kind: attributes.kind,
        order_key: OrderKey(row.try_get::<&str, _>(11).mapped()?.into()),
        nonconformity: row.try_get::<Option<i64>, _>(12).mapped()?.map(natural).transpose()?,
        revision: row.try_get(13).mapped()?,
        position: natural(row.try_get(14).mapped()?)?,
        content_digest: digest.try_into().map_err(|_| damaged("record.content_digest", "not 32 bytes"))?,
        attributes,
        resolution: resolution.map(|text| decode(&text)).transpose()?,
    };
    Ok((parse_record_id(row.try_get(9).mapped()?)?, standing))
}

// Earlier revisions asked for by number: rare, a late repetition. Their content digests are computed from their bytes.
const REVISIONS: &str = "SELECT r.record_id, v.revision, v.position, v.kind, v.open, v.restricted, v.salts, v.resolution
    FROM json_each(?) j CROSS JOIN record r ON r.record_id = j.value->>0 AND j.value->>1 BETWEEN 1 AND r.revision - 1
    CROSS JOIN revision v ON v.position = CASE WHEN j.value->>1 = 1 THEN r.first_position
    ELSE (SELECT l.position FROM revision l WHERE l.first_position = r.first_position AND l.revision > 1
          AND l.revision = j.value->>1) END";

fn revisions_of(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    for row in rows {
        let resolution: Option<String> = row.try_get(7).mapped()?;
        let standing = StandingRevision {
            position: natural(row.try_get(2).mapped()?)?,
            content_digest: sections(row, 4)?.content_digest(parse_kind(row.try_get(3).mapped()?)?),
            resolution: resolution.map(|text| decode(&text)).transpose()?,
        };
        read.revisions.insert((parse_record_id(row.try_get(0).mapped()?)?, row.try_get(1).mapped()?), standing);
    }
    Ok(())
}

const REGISTER: &str = "SELECT DISTINCT r.record_id, r.position, v.credit_code, v.name_key, v.region, r.kind
    FROM json_each(?) j CROSS JOIN register_key k ON k.key = j.value
    CROSS JOIN record r ON r.first_position = k.position
    CROSS JOIN revision v ON v.position = r.position
    WHERE v.withdrawn = 0 AND v.credit_code IS NOT NULL";

fn register(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    for row in rows {
        if parse_kind(row.try_get(5).mapped()?)? != Kind::EnterpriseSurvey {
            continue;
        }
        read.register.put(RegisterEntry {
            record_id: parse_record_id(row.try_get(0).mapped()?)?,
            position: natural(row.try_get(1).mapped()?)?,
            credit_code: parse_code(row.try_get(2).mapped()?)?,
            name_key: row.try_get(3).mapped()?,
            region: row.try_get::<Option<u32>, _>(4).mapped()?.map(parse_region).transpose()?,
        });
    }
    Ok(())
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

const ATTESTATIONS: &str = "SELECT a.publisher, a.feed, a.region, a.complete_to FROM json_each(?) j CROSS JOIN attestation a
    ON a.publisher = j.value->>0 AND a.feed = j.value->>1 AND a.region = j.value->>2";

fn attestations(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    for row in rows {
        read.attestations.insert(attestation_key(row)?, row.try_get(3).mapped()?);
    }
    Ok(())
}

const SUBSCRIPTIONS: &str =
    "SELECT s.subscription, s.spec, s.epoch FROM json_each(?) j CROSS JOIN subscription s ON s.subscription = j.value";

fn subscriptions(rows: &[SqliteRow], read: &mut ReadSet) -> Result<(), StoreError> {
    for row in rows {
        let spec = decode(row.try_get(1).mapped()?)?;
        let epoch = natural(row.try_get(2).mapped()?)?;
        read.subscriptions.insert(parse_key(row.try_get(0).mapped()?)?, StandingSubscription { spec, epoch });
    }
    Ok(())
}
