//! What administrators of a subscription ask: pause, resume, seek, update.
//!
//! All of it goes through the subscription's host, which is woken if it is asleep: so it is one thing, one change with its
//! evidence, whether a consumer is attached or nobody is.

use super::{
    Caller, Class, Gateway, Refused,
    subscribe::{Administration, Overview},
    subscriptions::{key_of, not_found},
};
use crate::domain::{
    cursor::Cursor,
    delivery::{SettingsUpdate, StartAt, SubscriptionKey, Target},
    digest::Digest,
    evidence::commitment,
    ids::{Micros, Position},
    violation::Findings,
};

/// Where a seek is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeekTo {
    /// The first position.
    Earliest,
    /// After the head as it is now.
    Latest,
    /// After a place of a named ledger.
    Cursor(Cursor),
    /// Commits at or after this time, which must not lie ahead.
    Time(Micros),
    /// Current revisions, then the tail.
    Snapshot,
}

/// What a seek came to.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Floor before: everything at or below was passed.
    pub from_floor: Position,
    /// Floor now.
    pub to_floor: Position,
    /// Position of the snapshot; 0 = none.
    pub snapshot_at: Position,
    /// The subscription now.
    pub overview: Overview,
}

impl Gateway {
    /// Pauses delivery, durably; what is out may still be settled. A paused one stays as it is, without another entry.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn pause_subscription(&self, caller: &Caller, name: &str, reason: &str) -> Result<Overview, Refused> {
        self.change(caller, &key_of(caller, name)?, Administration::Pause, reason).await
    }

    /// Lets delivery go on, and closes an open circuit. One that is not paused stays as it is, without another entry.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn resume_subscription(&self, caller: &Caller, name: &str, reason: &str) -> Result<Overview, Refused> {
        self.change(caller, &key_of(caller, name)?, Administration::Resume, reason).await
    }

    /// Moves the place of a subscription: retries, blocked enterprises and what was settled above it are forgotten, dead letters
    /// stay, the epoch rises.
    ///
    /// # Errors
    /// `NOT_FOUND`; `OUT_OF_RANGE` for a position, time or generation that is not here; `UNAVAILABLE`.
    pub async fn seek(&self, caller: &Caller, name: &str, to: SeekTo, reason: &str) -> Result<Sought, Refused> {
        let key = key_of(caller, name)?;
        let start = match to {
            SeekTo::Earliest => StartAt::Earliest,
            SeekTo::Latest => StartAt::Latest,
            SeekTo::Snapshot => StartAt::Snapshot,
            SeekTo::Time(time) => {
                self.not_ahead(time)?;
                StartAt::Time(time)
            }
            SeekTo::Cursor(cursor) => self.after(&cursor)?,
        };
        let (floor, snapshot_at) = self.resolve_start(start).await?;
        let target = Administration::Seek(Target { floor, snapshot_at });
        let from_floor = self.hosts.administer(&key, caller, target, self.why(reason)).await?;
        Ok(Sought { from_floor, to_floor: floor, snapshot_at, overview: self.overview(&key).await? })
    }

    /// Replaces the settings of that revision whole, but for order, purpose and start, which cannot change.
    ///
    /// # Errors
    /// `NOT_FOUND`; `FAILED_PRECONDITION` for what cannot change; `ABORTED` when the settings were changed meanwhile;
    /// `PERMISSION_DENIED` as when it was made; `UNAVAILABLE`.
    pub async fn update_subscription(
        &self,
        caller: &Caller,
        name: &str,
        revision: u64,
        update: SettingsUpdate,
        reason: &str,
    ) -> Result<Overview, Refused> {
        let key = key_of(caller, name)?;
        let standing = self.store.subscription(&key).await?.ok_or_else(|| not_found(name))?.row.spec;
        let mut findings = Findings::default();
        let spec = update.onto(&standing, &mut findings);
        if !findings.is_clean() {
            return Err(Refused {
                violations: findings.violations,
                ..Refused::new(
                    Class::FailedPrecondition,
                    "SETTING_FIXED",
                    "有的设置在建立订阅后不能更改，逐项见详情：请另建一个订阅",
                    "some settings cannot change once a subscription is made, each is listed: make another one",
                )
            });
        }
        self.permit_subscription(caller, &spec)?;
        self.change(caller, &key, Administration::Update { revision, spec: Box::new(spec) }, reason).await
    }

    async fn change(
        &self,
        caller: &Caller,
        key: &SubscriptionKey,
        what: Administration,
        reason: &str,
    ) -> Result<Overview, Refused> {
        self.hosts.administer(key, caller, what, self.why(reason)).await?;
        self.overview(key).await
    }

    fn why(&self, reason: &str) -> Option<Digest> {
        (!reason.is_empty()).then(|| commitment(&self.world.random(), reason))
    }

    /// A time that lies ahead would pass over what is committed until then.
    fn not_ahead(&self, time: Micros) -> Result<(), Refused> {
        if time <= self.world.clock.now() {
            return Ok(());
        }
        Err(Refused::new(
            Class::OutOfRange,
            "TIME_AHEAD",
            "该时刻尚未到来：要从现在开始请用 latest",
            "that time lies ahead: to begin from now on use `latest`",
        ))
    }

    /// A place is of this ledger and generation, and there, or means nothing here.
    fn after(&self, cursor: &Cursor) -> Result<StartAt, Refused> {
        let identity = self.store.identity();
        cursor
            .check(&identity.ledger_id, identity.generation, self.tail.position())
            .map_err(|lost| Refused { text: lost.text(), ..Refused::new(Class::OutOfRange, lost.reason(), "", "") })?;
        Ok(StartAt::Position(cursor.position.saturating_add(1)))
    }
}
