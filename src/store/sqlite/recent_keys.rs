//! Keys of the segments that are not settled yet, in memory.
//!
//! What is in `key_run` is in no index: it is found here. Invariants: what has been answered is here, or in `record_key` in a segment
//! that is settled; it is taken from here only after it is there. Commits alone add to it, while they hold the writer; after one whose
//! end is not known nothing is kept, and the next who asks reads the file. So it holds one segment, two while one is being settled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use sqlx::Row as _;

use super::{
    Connection,
    errors::Mapped as _,
    keys::{Run, segment_of},
    natural,
};
use crate::{domain::ids::Position, store::StoreError};

/// The first segment that is not settled, and what `record_key` has of such already: filed by an earlier version of the program, or
/// by a settling that did not come to its end.
const UNSETTLED: &str = "SELECT COALESCE((SELECT min(last_position) FROM key_run), (SELECT position + 1 FROM head)) >> 14";
const FILED: &str = "SELECT segment, key, position FROM record_key WHERE segment >= ?";
const RUNS: &str = "SELECT last_position, keys FROM key_run ORDER BY last_position";

/// Most keys are filed under one position.
#[derive(Debug)]
enum Positions {
    One(i64),
    More(Vec<i64>),
}

impl Positions {
    fn all(&self) -> &[i64] {
        match self {
            Self::One(position) => std::slice::from_ref(position),
            Self::More(positions) => positions,
        }
    }

    fn add(&mut self, position: i64) {
        if self.all().contains(&position) {
            return;
        }
        match self {
            Self::One(one) => *self = Self::More(vec![*one, position]),
            Self::More(positions) => positions.push(position),
        }
    }
}

#[derive(Debug, Default)]
struct Segments {
    /// By segment and key.
    filed: BTreeMap<u64, HashMap<i64, Positions>>,
    /// Last position whose keys are here.
    head: Position,
}

impl Segments {
    fn add(&mut self, segment: u64, keys: &[[i64; 2]]) {
        let filed = self.filed.entry(segment).or_default();
        for [key, position] in keys {
            filed.entry(*key).and_modify(|positions| positions.add(*position)).or_insert(Positions::One(*position));
        }
    }

    fn add_run(&mut self, run: &Run) {
        self.add(run.segment(), &run.keys);
        self.head = self.head.max(run.last);
    }

    /// The oldest segment, if the ledger has passed its last position.
    fn full(&self) -> Option<(u64, &HashMap<i64, Positions>)> {
        let (segment, filed) = self.filed.first_key_value()?;
        (*segment < segment_of(self.head + 1)).then_some((*segment, filed))
    }
}

/// What is kept; `None` = it must be read.
#[derive(Default)]
pub(super) struct RecentKeys(RwLock<Option<Segments>>);

impl RecentKeys {
    /// Reads the file and answers the first segment that is not settled. Nobody may be committing.
    pub(super) async fn load(&self, writer: &mut Connection) -> Result<u64, StoreError> {
        let unsettled = natural(sqlx::query_scalar(UNSETTLED).fetch_one(&mut *writer).await.mapped()?)?;
        let head = natural(sqlx::query_scalar("SELECT position FROM head").fetch_one(&mut *writer).await.mapped()?)?;
        let mut segments = Segments { head, ..Segments::default() };
        for row in sqlx::query(FILED).bind(super::int(unsettled)).fetch_all(&mut *writer).await.mapped()? {
            let segment = natural(row.try_get(0).mapped()?)?;
            segments.add(segment, &[[row.try_get(1).mapped()?, row.try_get(2).mapped()?]]);
        }
        for row in sqlx::query(RUNS).fetch_all(writer).await.mapped()? {
            let run = Run::from_bytes(natural(row.try_get(0).mapped()?)?, row.try_get(1).mapped()?)?;
            segments.add_run(&run);
        }
        *self.write() = Some(segments);
        Ok(unsettled)
    }

    fn add(&self, runs: &[Run]) {
        if let Some(segments) = self.write().as_mut() {
            for run in runs {
                segments.add_run(run);
            }
        }
    }

    /// To be called before anything is committed, while the writer is held.
    pub(super) fn commit(&self) -> Committing<'_> {
        Committing(Some(self))
    }

    /// Segment and position of everything filed under one of the keys; `None` = it must be read first.
    pub(super) fn find(&self, keys: &[i64]) -> Option<Vec<(u64, i64)>> {
        let kept = self.read();
        let segments = kept.as_ref()?;
        let of_segment = |(segment, filed): (&u64, &HashMap<i64, Positions>)| {
            let segment = *segment;
            let found = keys.iter().filter_map(|key| filed.get(key)).flat_map(Positions::all);
            found.map(|position| (segment, *position)).collect::<Vec<_>>()
        };
        Some(segments.filed.iter().flat_map(of_segment).collect())
    }

    /// The oldest segment, if the ledger has passed its last position: its number, and its keys in order.
    pub(super) fn full(&self) -> Option<(u64, Vec<[i64; 2]>)> {
        let kept = self.read();
        let (segment, filed) = kept.as_ref()?.full()?;
        let all =
            |(key, positions): (&i64, &Positions)| positions.all().iter().map(|position| [*key, *position]).collect::<Vec<_>>();
        let mut keys: Vec<_> = filed.iter().flat_map(all).collect();
        keys.sort_unstable();
        Some((segment, keys))
    }

    /// True when there is a segment to be settled.
    pub(super) fn has_full(&self) -> bool {
        self.read().as_ref().is_some_and(|segments| segments.full().is_some())
    }

    /// A segment is settled.
    pub(super) fn settled(&self, segment: u64) {
        if let Some(segments) = self.write().as_mut() {
            segments.filed.remove(&segment);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Segments>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Segments>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit under way. Dropped without an end, whether it is on disk is not known: then nothing is kept.
pub(super) struct Committing<'k>(Option<&'k RecentKeys>);

impl Committing<'_> {
    /// It is on disk. To be called before the writer is given back, and before anybody is told.
    pub(super) fn end(mut self, runs: &[Run]) {
        if let Some(recent) = self.0.take() {
            recent.add(runs);
        }
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        if let Some(recent) = self.0 {
            *recent.write() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(last: Position, keys: &[[i64; 2]]) -> Run {
        Run { last, keys: keys.to_vec() }
    }

    #[test]
    fn what_is_filed_is_found_once_for_each_segment() {
        let recent = RecentKeys::default();
        assert_eq!(recent.find(&[7]), None, "to be read first");
        *recent.write() = Some(Segments::default());
        recent.add(&[run(9, &[[7, 3], [8, 9]]), run(16_390, &[[7, 3], [7, 16_390]])]);
        recent.add(&[run(16_391, &[[7, 16_391], [7, 3]])]);
        assert_eq!(recent.find(&[7]), Some(vec![(0, 3), (1, 3), (1, 16_390), (1, 16_391)]));
        assert_eq!(recent.find(&[8, 1]), Some(vec![(0, 9)]));
        assert_eq!(recent.find(&[1]), Some(vec![]));
        recent.commit().end(&[run(16_392, &[[1, 16_392]])]);
        assert_eq!(recent.find(&[1]), Some(vec![(1, 16_392)]));
        drop(recent.commit());
        recent.add(&[run(20, &[[1, 20]])]);
        assert_eq!(recent.find(&[1]), None, "the rest is not known");
    }

    #[test]
    fn a_segment_is_full_when_its_last_position_is_passed() {
        let recent = RecentKeys::default();
        *recent.write() = Some(Segments::default());
        recent.add(&[run(16_382, &[[9, 5], [-9, 2], [1, 3]])]);
        assert_eq!((recent.full(), recent.has_full()), (None, false));
        recent.add(&[run(16_383, &[[9, 16_383]]), run(16_384, &[[4, 16_384]])]);
        assert_eq!(recent.full(), Some((0, vec![[-9, 2], [1, 3], [9, 5], [9, 16_383]])));
        assert!(recent.has_full());
        recent.settled(0);
        assert_eq!((recent.full(), recent.has_full()), (None, false));
        assert_eq!(recent.find(&[9, 4]), Some(vec![(1, 16_384)]));
    }

    #[test]
    fn a_run_is_read_back_as_it_was_written() {
        let written = run(70_000, &[[i64::MIN, 1], [-1, 70_000], [i64::MAX, 69_999]]);
        assert_eq!(Run::from_bytes(70_000, &written.to_bytes()).expect("read back"), written);
        assert!(Run::from_bytes(1, &[0; 15]).is_err());
    }
}
