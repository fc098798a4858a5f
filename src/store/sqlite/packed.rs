//! A record in one value. The driver copies every column of every row to hand it over, under a lock that all its connections share:
//! a record of 22 columns costs several times what reading it from the file does. So the statement puts a record together into one
//! value, and a page several records into one: numbers and lengths first, in decimal, then texts and bytes one after the other.
//! Nothing of this is kept: it is how rows come out of a statement, and can change at any time.

use bytes::Bytes;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    errors::{Mapped as _, damaged},
    natural,
    rows::{parse_code, parse_kind, parse_participant, parse_record_id, parse_region, parse_step},
};
use crate::{
    domain::{
        attributes::Attributes,
        draft::{OrderKey, SealedSection, Sections, StoredRecord},
    },
    store::{StoreError, encoding::decode},
};

/// A stored record as text that is none, to be cast into bytes. `v` is `revision`, `r` is `record`. What is not there has the length −1;
/// neither a region nor a step is negative.
macro_rules! packed_text {
    () => {
        "concat(printf('%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,', \
         v.position, v.committed_at, v.revision, v.kind, v.withdrawn, v.published, coalesce(v.region, -1), v.product_kinds, \
         v.failed_items, coalesce(v.step, -1), octet_length(v.publisher), octet_length(r.record_id), octet_length(r.order_key), \
         coalesce(octet_length(v.credit_code), -1), octet_length(v.name_key), coalesce(octet_length(v.previous), -1), \
         coalesce(octet_length(v.provenance), -1), coalesce(octet_length(v.resolution), -1), octet_length(v.salts), \
         octet_length(v.digest), coalesce(octet_length(v.restricted), -1), octet_length(v.open)), \
         v.publisher, r.record_id, r.order_key, v.credit_code, v.name_key, v.previous, v.provenance, v.resolution, v.salts, \
         v.digest, v.restricted) || v.open"
    };
}
pub(super) use packed_text;

/// The one column that [`stored_record`] reads.
macro_rules! record_column {
    () => {
        concat!("CAST(", $crate::store::sqlite::packed::packed_text!(), " AS BLOB)")
    };
}
pub(super) use record_column;

/// Reads the record of [`record_column`], the first column.
pub(super) fn stored_record(row: &SqliteRow) -> Result<StoredRecord, StoreError> {
    let mut packed = Packed(bytes(row)?);
    let record = packed.record()?;
    if packed.0.is_empty() { Ok(record) } else { Err(unreadable()) }
}

/// What filters need of a revision and its predecessor, in the same way.
macro_rules! attributes_text {
    () => {
        "concat(printf('%d,%d,%d,%d,%d,%d,%d,%d,', v.kind, v.published, coalesce(v.region, -1), v.product_kinds, v.failed_items, \
         coalesce(v.step, -1), coalesce(octet_length(v.credit_code), -1), coalesce(octet_length(v.previous), -1)), \
         v.credit_code, v.previous)"
    };
}
pub(super) use attributes_text;

/// Reads [`attributes_text`] of revisions one after the other, in the first column. Names and withdrawals are not in it.
pub(super) fn stored_attributes(row: &SqliteRow) -> Result<Vec<(Attributes, Option<Attributes>)>, StoreError> {
    let (mut packed, mut read) = (Packed(bytes(row)?), Vec::new());
    while !packed.0.is_empty() {
        let [kind, published, region, product_kinds, failed_items, step, code, previous] = packed.numbers()?;
        let attributes = Attributes {
            kind: parse_kind(kind)?,
            withdrawn: false,
            published: published != 0,
            region: (region >= 0).then(|| parse_region(small(region)?)).transpose()?,
            product_kinds: small(product_kinds)?,
            failed_items: failed_items.cast_unsigned(),
            step: (step >= 0).then(|| parse_step(small(step)?)).transpose()?,
            credit_code: packed.text(code, parse_code)?,
            name_key: String::new(),
        };
        read.push((attributes, packed.text(previous, decode)?));
    }
    Ok(read)
}

/// Reads records one after the other, in the first column.
pub(super) fn stored_records(row: &SqliteRow, into: &mut Vec<StoredRecord>) -> Result<(), StoreError> {
    let mut packed = Packed(bytes(row)?);
    while !packed.0.is_empty() {
        into.push(packed.record()?);
    }
    Ok(())
}

/// Copied once; the contents of the records are parts of it.
fn bytes(row: &SqliteRow) -> Result<Bytes, StoreError> {
    Ok(Bytes::copy_from_slice(row.try_get::<Option<&[u8]>, _>(0).mapped()?.unwrap_or_default()))
}

fn unreadable() -> StoreError {
    damaged("a packed record", "its lengths do not fit")
}

/// What is left to be read.
struct Packed(Bytes);

impl Packed {
    fn number(&mut self) -> Result<i64, StoreError> {
        // Twenty characters hold the longest one.
        let end = self.0.iter().take(21).position(|byte| *byte == b',').ok_or_else(unreadable)?;
        let text = self.0.split_to(end);
        let _comma = self.0.split_to(1);
        str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(unreadable)
    }

    fn numbers<const N: usize>(&mut self) -> Result<[i64; N], StoreError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }

    fn bytes(&mut self, length: i64) -> Result<Bytes, StoreError> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.0.len()).ok_or_else(unreadable)?;
        Ok(self.0.split_to(length))
    }

    /// A value of a text; `None` when it is not there.
    fn text<T>(&mut self, length: i64, read: impl FnOnce(&str) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        if length < 0 {
            return Ok(None);
        }
        let text = self.bytes(length)?;
        read(str::from_utf8(&text).map_err(|error| damaged("a text", error))?).map(Some)
    }

    fn required<T>(&mut self, length: i64, read: impl FnOnce(&str) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.text(length, read)?.ok_or_else(unreadable)
    }

    fn record(&mut self) -> Result<StoredRecord, StoreError> {
        let [position, committed_at, revision, kind, withdrawn, published, region, product_kinds, failed_items, step] =
            self.numbers()?;
        let [publisher, record_id, order_key, code, name, previous, provenance, resolution, salts, digest, restricted, open] =
            self.numbers()?;
        let publisher = self.required(publisher, parse_participant)?;
        let record_id = self.required(record_id, parse_record_id)?;
        let order_key = self.required(order_key, |text| Ok(OrderKey(text.into())))?;
        let attributes = Attributes {
            kind: parse_kind(kind)?,
            withdrawn: withdrawn != 0,
            published: published != 0,
            region: (region >= 0).then(|| parse_region(small(region)?)).transpose()?,
            product_kinds: small(product_kinds)?,
            failed_items: failed_items.cast_unsigned(),
            step: (step >= 0).then(|| parse_step(small(step)?)).transpose()?,
            credit_code: self.text(code, parse_code)?,
            name_key: self.required(name, |text| Ok(text.to_owned()))?,
        };
        let previous = self.text(previous, decode)?;
        let provenance = self.text(provenance, decode)?;
        let resolution = self.text(resolution, decode)?;
        let salts = self.bytes(salts)?;
        let digest = self.bytes(digest)?.as_ref().try_into().map_err(|_| damaged("revision.digest", "not 32 bytes"))?;
        let sections = self.sections(&salts, restricted, open)?;
        Ok(StoredRecord {
            position: natural(position)?,
            committed_at,
            publisher,
            record_id,
            revision: small(revision)?,
            order_key,
            attributes,
            previous,
            sections,
            provenance,
            resolution,
            digest,
        })
    }

    fn sections(&mut self, salts: &[u8], restricted: i64, open: i64) -> Result<Sections, StoreError> {
        let (salts, rest) = salts.as_chunks::<16>();
        let section = |content: Bytes, index: usize| {
            let salt = salts.get(index).filter(|_| rest.is_empty()).ok_or_else(|| damaged("revision.salts", "a wrong length"))?;
            Ok(SealedSection { content, salt: *salt })
        };
        let restricted = (restricted >= 0).then(|| self.bytes(restricted)).transpose()?;
        let open = self.bytes(open)?;
        Ok(Sections { open: section(open, 0)?, restricted: restricted.map(|content| section(content, 1)).transpose()? })
    }
}

fn small(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| damaged("a number", number))
}
