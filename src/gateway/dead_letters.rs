//! Dead letters: listing, redriving, discarding. A change goes in chunks, one transaction each, through the host that owns the
//! subscription's state; a crash in the middle leaves whole chunks behind and nothing doubled.

use super::{Caller, Gateway, Refused, subscribe::Overview, subscriptions::key_of};
use crate::domain::{
    delivery::{DeadLetter, SubscriptionKey},
    digest::Digest,
    evidence::commitment,
    ids::Position,
};

pub use crate::store::DeadLetterQuery;

/// Dead letters of one transaction.
const CHUNK: usize = 500;

/// What is done to each chunk.
#[derive(Clone, Copy)]
enum Change {
    Redrive,
    Discard { why: Digest },
}

impl Gateway {
    /// Dead letters after a position, and the position to go on after if there are more.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn list_dead_letters(
        &self,
        caller: &Caller,
        name: &str,
        query: &DeadLetterQuery,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<Position>), Refused> {
        let key = self.known(caller, name).await?;
        let mut letters = self.store.dead_letters(&key, query, after, limit + 1).await?;
        let more = letters.len() > limit;
        letters.truncate(limit);
        let next = if more { letters.last().map(|letter| letter.position) } else { None };
        Ok((letters, next))
    }

    /// Puts dead letters back into delivery; answers how many, durably. A dry run only counts.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`: then the chunks before stand, and the call can be repeated.
    pub async fn redrive_dead_letters(
        &self,
        caller: &Caller,
        name: &str,
        query: &DeadLetterQuery,
        dry_run: bool,
    ) -> Result<u64, Refused> {
        let key = self.known(caller, name).await?;
        self.in_chunks(caller, &key, query, dry_run, Change::Redrive).await
    }

    /// Discards dead letters for good; answers how many, durably. A dry run only counts.
    ///
    /// # Errors
    /// As for redriving.
    pub async fn discard_dead_letters(
        &self,
        caller: &Caller,
        name: &str,
        query: &DeadLetterQuery,
        reason: &str,
        dry_run: bool,
    ) -> Result<u64, Refused> {
        let key = self.known(caller, name).await?;
        let why = commitment(&self.world.random(), reason);
        self.in_chunks(caller, &key, query, dry_run, Change::Discard { why }).await
    }

    async fn in_chunks(
        &self,
        caller: &Caller,
        key: &SubscriptionKey,
        query: &DeadLetterQuery,
        dry_run: bool,
        change: Change,
    ) -> Result<u64, Refused> {
        let (mut after, mut total) = (0, 0);
        loop {
            let letters = self.store.dead_letters(key, query, after, CHUNK).await?;
            let Some(last) = letters.last() else { return Ok(total) };
            after = last.position;
            total += match change {
                _ if dry_run => letters.len() as u64,
                Change::Redrive => self.hosts.redrive(key, caller, letters).await?,
                Change::Discard { why } => self.hosts.discard(key, caller, letters, why).await?,
            };
        }
    }

    async fn known(&self, caller: &Caller, name: &str) -> Result<SubscriptionKey, Refused> {
        let key = key_of(caller, name)?;
        let Overview { key, .. } = self.overview(&key).await?;
        Ok(key)
    }
}
