//! Which segments of keys need not be looked into: see ADR 0006.
//!
//! A segment of `record_key` is settled, and never changes again, when all its keys are filed ([`super::settling`]). Of settled
//! segments a Bloom filter stands in memory: it may say *perhaps* of a key that is not there, never *no* of one that is. Invariant:
//! what has no filter is looked into. Filters are made when a segment is settled; after a start behind the first lookup that misses
//! one, newest first.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sqlx::{Row as _, SqlitePool};

use super::{
    Connection,
    errors::{Mapped as _, damaged},
    int,
    keys::{SEGMENT_BITS, segment_of},
    natural,
};
use crate::{domain::ids::Position, store::StoreError};

/// Bytes of all filters together; the oldest segments go without. At six keys a record, the last eight million records or so.
const MOST_BYTES: usize = 64 << 20;
/// Bits a key: about one false *perhaps* in a hundred.
const BITS_PER_KEY: usize = 10;
/// Bits set a key, all in one block, so that a question costs one miss of the processor's cache.
const BITS_SET: u32 = 5;
/// Words of a block.
const BLOCK_WORDS: usize = 8;

/// The keys of a settled segment, so that a statement sees all of them in one row, and the head they are seen under.
pub(super) const KEYS_OF_SEGMENT: &str =
    "SELECT head.position, (SELECT json_group_array(key) FROM record_key WHERE segment = ?1) FROM head";

/// A set that forgets which keys it holds, and never that it holds one.
struct Filter(Box<[[u64; BLOCK_WORDS]]>);

impl Filter {
    fn of(keys: &[i64]) -> Self {
        let blocks = (keys.len() * BITS_PER_KEY).div_ceil(BLOCK_WORDS * 64).max(1);
        let mut filter = Self(vec![[0; BLOCK_WORDS]; blocks].into_boxed_slice());
        for key in keys {
            let (block, mask) = filter.place(*key);
            filter.0[block].iter_mut().zip(mask).for_each(|(word, bits)| *word |= bits);
        }
        filter
    }

    fn may_hold(&self, key: i64) -> bool {
        let (block, mask) = self.place(key);
        self.0[block].iter().zip(mask).all(|(word, bits)| word & bits == bits)
    }

    /// Keys are digests already: their upper half chooses the block, nine bits at a time of the lower the bits in it.
    fn place(&self, key: i64) -> (usize, [u64; BLOCK_WORDS]) {
        let key = key.cast_unsigned();
        let block = ((key >> 32) * self.0.len() as u64) >> 32;
        // The lower half has no 45 bits of its own: it is stretched.
        let bits = (key & 0xffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut mask = [0; BLOCK_WORDS];
        for turn in 0..BITS_SET {
            let bit = (bits >> (64 - 9 * (turn + 1))) & 511;
            mask[(bit >> 6) as usize] |= 1 << (bit & 63);
        }
        (block as usize, mask)
    }

    fn bytes(&self) -> usize {
        self.0.len() * BLOCK_WORDS * 8
    }
}

/// Where a lookup looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// (segment, key) that a filter does not exclude.
    pub(super) pairs: Vec<[i64; 2]>,
    /// Settled segments without a filter: all keys.
    pub(super) unknown: Vec<i64>,
    /// (segment, position) found in memory, of what is not settled.
    pub(super) recent: Vec<(u64, i64)>,
}

impl Places {
    /// True when nothing can be found there.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.unknown.is_empty() && self.recent.is_empty()
    }
}

/// Filters of the settled segments.
#[derive(Default)]
pub(super) struct KeyFilters {
    /// Segments below this number are settled.
    settled: AtomicU64,
    kept: RwLock<Kept>,
    /// True while filters are being made.
    making: AtomicBool,
}

#[derive(Default)]
struct Kept {
    filters: BTreeMap<u64, Filter>,
    bytes: usize,
    /// Segments below this number go without a filter, for want of room.
    floor: u64,
}

impl KeyFilters {
    /// Segments below this one are settled.
    pub(super) fn settled_below(&self, segment: u64) {
        self.settled.fetch_max(segment, Ordering::AcqRel);
    }

    /// A segment is settled, with these keys.
    pub(super) fn settled(&self, segment: u64, keys: &[i64]) {
        self.keep(segment, Filter::of(keys), MOST_BYTES);
        self.settled_below(segment + 1);
    }

    /// Where to look for keys that revisions at `positions` filed.
    pub(super) fn places(&self, keys: &[i64], positions: RangeInclusive<Position>) -> Places {
        let first = segment_of(*positions.start());
        let end = self.settled.load(Ordering::Acquire).min(segment_of(*positions.end()).saturating_add(1)).max(first);
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let mut places = Places::default();
        for segment in first..end {
            match kept.filters.get(&segment) {
                None => places.unknown.push(int(segment)),
                Some(filter) => {
                    places.pairs.extend(keys.iter().filter(|key| filter.may_hold(**key)).map(|key| [int(segment), *key]));
                }
            }
        }
        places
    }

    /// Makes the filters that are missing, behind the caller's back; does nothing while that is under way.
    pub(super) fn complete_behind(self: &Arc<Self>, readers: &SqlitePool) {
        if self.missing().is_none() || self.making.swap(true, Ordering::AcqRel) {
            return;
        }
        let (filters, readers) = (self.clone(), readers.clone());
        tokio::spawn(async move {
            let result = filters.complete(&readers).await;
            filters.making.store(false, Ordering::Release);
            if let Err(error) = result
                && !readers.is_closed()
            {
                tracing::warn!(%error, "lookups go on without a filter of their keys");
            }
        });
    }

    /// Makes the filters that are missing, or as many as there is time for before the store closes. Keeps its reader until then: where
    /// lookups wait for readers, one reader less is soon made up for by filters, and a place in their queue for each filter is not.
    pub(super) async fn complete(&self, readers: &SqlitePool) -> Result<(), StoreError> {
        let mut reader = readers.acquire().await.mapped()?;
        while !readers.is_closed()
            && let Some(segment) = self.missing()
        {
            let keys = keys_of_settled(&mut reader, segment).await?;
            self.keep(segment, Filter::of(&keys), MOST_BYTES);
        }
        Ok(())
    }

    /// The newest settled segment that should have a filter and has none.
    fn missing(&self) -> Option<u64> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = kept.floor..self.settled.load(Ordering::Acquire);
        if kept.filters.len() as u64 >= wanted.end.saturating_sub(wanted.start) {
            return None;
        }
        wanted.rev().find(|segment| !kept.filters.contains_key(segment))
    }

    fn keep(&self, segment: u64, filter: Filter, most_bytes: usize) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += filter.bytes();
        if let Some(replaced) = kept.filters.insert(segment, filter) {
            kept.bytes -= replaced.bytes();
        }
        while kept.bytes > most_bytes {
            let Some((oldest, filter)) = kept.filters.pop_first() else { break };
            kept.bytes -= filter.bytes();
            kept.floor = oldest + 1;
        }
    }
}

/// Each key of a settled segment once, rising. Keys and head are of one moment.
async fn keys_of_settled(connection: &mut Connection, segment: u64) -> Result<Vec<i64>, StoreError> {
    let row = sqlx::query(KEYS_OF_SEGMENT).bind(int(segment)).fetch_one(connection).await.mapped()?;
    let head = natural(row.try_get(0).mapped()?)?;
    if (head + 1) >> SEGMENT_BITS <= segment {
        return Err(damaged("head.position", format!("{head}, after segment {segment} of the keys was seen to be full")));
    }
    let mut keys: Vec<i64> = serde_json::from_str(row.try_get(1).mapped()?).map_err(|error| damaged("record_key.key", error))?;
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::index_key;

    fn keys(range: std::ops::Range<u32>) -> Vec<i64> {
        range.map(|n| index_key("code", &n.to_string())).collect()
    }

    #[test]
    fn what_is_not_settled_is_not_looked_into() {
        let filters = KeyFilters::default();
        assert_eq!(filters.missing(), None);
        assert_eq!(filters.places(&[7], 0..=u64::MAX), Places::default());
        filters.settled_below(1);
        assert_eq!(filters.missing(), Some(0));
        assert_eq!(filters.places(&[7], 0..=u64::MAX), Places { unknown: vec![0], ..Places::default() });
        filters.settled_below(0);
        assert_eq!(filters.missing(), Some(0), "a ledger does not grow shorter");
        filters.settled(1, &[7]);
        assert_eq!(filters.places(&[7, 8], 0..=u64::MAX), Places { pairs: vec![[1, 7]], unknown: vec![0], recent: vec![] });
    }

    #[test]
    fn what_has_no_filter_is_looked_into() {
        let filters = KeyFilters::default();
        filters.settled_below(4);
        let held = keys(0..3);
        filters.keep(3, Filter::of(&held), MOST_BYTES);
        filters.keep(1, Filter::of(&[]), MOST_BYTES);
        let places = filters.places(&held, 0..=(9 << SEGMENT_BITS));
        let pairs = held.iter().map(|key| [3, *key]).collect();
        assert_eq!(places, Places { pairs, unknown: vec![0, 2], recent: vec![] });
        assert_eq!(filters.places(&held, 1 << SEGMENT_BITS..=(1 << SEGMENT_BITS) + 5), Places::default());
        assert_eq!(filters.places(&held, (6 << SEGMENT_BITS)..=u64::MAX), Places::default());
        assert_eq!(filters.missing(), Some(2));
    }

    #[test]
    fn the_oldest_go_without_when_there_is_no_room() {
        let filters = KeyFilters::default();
        filters.settled_below(6);
        let one = || Filter::of(&[1]);
        let room = 2 * one().bytes();
        for _ in 0..3 {
            let missing = filters.missing().expect("one is missing");
            filters.keep(missing, one(), room);
        }
        assert_eq!(filters.missing(), None, "3 had no room, and is not tried again");
        assert_eq!(filters.places(&[1], 0..=u64::MAX).unknown, [0, 1, 2, 3]);
        filters.settled_below(7);
        assert_eq!(filters.missing(), Some(6));
        filters.keep(6, one(), room);
        assert_eq!(filters.missing(), None);
        assert_eq!(
            filters.places(&[1], 0..=u64::MAX),
            Places { pairs: vec![[5, 1], [6, 1]], unknown: vec![0, 1, 2, 3, 4], recent: vec![] }
        );
    }
}
