//! Rows of the ledger ↔ values of the domain.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    errors::{Mapped as _, damaged},
    script::Values,
};
use crate::{
    domain::{
        attributes::Attributes,
        credit_code::CreditCode,
        draft::{SealedSection, Sections},
        ids::{ParticipantId, RecordId},
        ledger::NewRevision,
        life_cycle::Step,
        records::Kind,
        regions::Region,
    },
    store::{StoreError, encoding::encode},
};

pub(super) fn parse_participant(text: &str) -> Result<ParticipantId, StoreError> {
    ParticipantId::parse(text).map_err(|error| damaged("a participant", error))
}

pub(super) fn parse_record_id(text: &str) -> Result<RecordId, StoreError> {
    RecordId::parse(text).map_err(|error| damaged("a record id", error))
}

pub(super) fn parse_kind(number: i64) -> Result<Kind, StoreError> {
    u8::try_from(number).ok().and_then(Kind::from_number).ok_or_else(|| damaged("a kind of record", number))
}

pub(super) fn parse_step(packed: u32) -> Result<Step, StoreError> {
    Step::unpack(packed).ok_or_else(|| damaged("a step", packed))
}

pub(super) fn parse_code(text: &str) -> Result<CreditCode, StoreError> {
    CreditCode::parse(text).map_err(|_| damaged("a credit code", text))
}

pub(super) fn parse_region(number: u32) -> Result<Region, StoreError> {
    Region::from_number(number).ok_or_else(|| damaged("a region", number))
}

/// Reads kind, withdrawn, published, region, product kinds, failed items, step, credit code, name key from column `first` on.
pub(super) fn attributes(row: &SqliteRow, first: usize) -> Result<Attributes, StoreError> {
    let items: i64 = row.try_get(first + 5).mapped()?;
    let code: Option<&str> = row.try_get(first + 7).mapped()?;
    Ok(Attributes {
        kind: parse_kind(row.try_get(first).mapped()?)?,
        withdrawn: row.try_get(first + 1).mapped()?,
        published: row.try_get(first + 2).mapped()?,
        region: row.try_get::<Option<u32>, _>(first + 3).mapped()?.map(parse_region).transpose()?,
        product_kinds: row.try_get(first + 4).mapped()?,
        failed_items: items.cast_unsigned(),
        step: row.try_get::<Option<u32>, _>(first + 6).mapped()?.map(parse_step).transpose()?,
        credit_code: code.map(parse_code).transpose()?,
        name_key: row.try_get(first + 8).mapped()?,
    })
}

/// Reads open, restricted, salts from column `first` on.
pub(super) fn sections(row: &SqliteRow, first: usize) -> Result<Sections, StoreError> {
    let open: Vec<u8> = row.try_get(first).mapped()?;
    let restricted: Option<Vec<u8>> = row.try_get(first + 1).mapped()?;
    let salts: &[u8] = row.try_get(first + 2).mapped()?;
    let (salts, rest) = salts.as_chunks::<16>();
    let section = |content: Vec<u8>, index: usize| {
        let salt = salts.get(index).filter(|_| rest.is_empty()).ok_or_else(|| damaged("revision.salts", "a wrong length"))?;
        Ok(SealedSection { content: content.into(), salt: *salt })
    };
    Ok(Sections { open: section(open, 0)?, restricted: restricted.map(|content| section(content, 1)).transpose()? })
}

/// Columns of `revision` as [`bind_revision`] fills them.
pub(super) const REVISION_COLUMNS: &str = "position, first_position, revision, kind, publisher, committed_at, withdrawn, \
     published, region, product_kinds, failed_items, step, credit_code, name_key, previous, open, restricted, salts, provenance, \
     resolution, digest";

/// Binds one row of `revision`.
pub(super) fn bind_revision(values: Values, revision: &NewRevision) -> Values {
    let stored = &revision.stored;
    let attributes = &stored.attributes;
    let mut salts = stored.sections.open.salt.to_vec();
    salts.extend(stored.sections.restricted.iter().flat_map(|section| section.salt));
    values
        .bind(super::int(stored.position))
        .bind(super::int(revision.first_position))
        .bind(i64::from(stored.revision))
        .bind(i64::from(attributes.kind.number()))
        .bind(stored.publisher.shared())
        .bind(stored.committed_at)
        .bind(attributes.withdrawn)
        .bind(attributes.published)
        .bind(attributes.region.map(|region| i64::from(region.number())))
        .bind(i64::from(attributes.product_kinds))
        .bind(attributes.failed_items.cast_signed())
        .bind(attributes.step.map(|step| i64::from(step.pack())))
        .bind(attributes.credit_code.map(|code| code.as_str().to_owned()))
        .bind(attributes.name_key.clone())
        .bind(stored.previous.as_ref().map(encode))
        .bind(stored.sections.open.content.to_vec())
        .bind(stored.sections.restricted.as_ref().map(|section| section.content.to_vec()))
        .bind(salts)
        .bind(stored.provenance.as_ref().map(encode))
        .bind(stored.resolution.as_ref().map(encode))
        .bind(stored.digest.to_vec())
}
