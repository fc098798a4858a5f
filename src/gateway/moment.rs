//! The moment an answer speaks of: a position and a time, fixed before the first read.

use std::time::Duration;

use super::{Class, Refused, committer::Tail};
use crate::{
    domain::ids::{Micros, Position},
    store::Store,
};

/// What a question asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsOf {
    /// What stands now.
    #[default]
    Now,
    /// What stood at a position.
    Position(Position),
    /// What was committed at or before a time.
    Time(Micros),
}

/// What every question of a reader carries.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// The moment asked about.
    pub as_of: AsOf,
    /// Answer only when the ledger has reached this position (read your writes); 0 = at once.
    pub min_position: Position,
    /// How long to wait for that position at most.
    pub patience: Duration,
    /// Purpose of the reading; empty = not stated.
    pub purpose: String,
}

/// A moment of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The answer takes in every revision up to here.
    pub position: Position,
    /// The time the answer speaks of.
    pub at: Micros,
}

impl Moment {
    /// Fixes the moment, after waiting for the position asked for.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` when the moment is still to come, or the ledger does not reach the position in time.
    pub async fn fix(asking: &Asking, tail: &Tail, store: &dyn Store, now: Micros) -> Result<Self, Refused> {
        let head = wait_for(asking.min_position, asking.patience, tail).await?;
        match asking.as_of {
            AsOf::Now => Ok(Self { position: head, at: now }),
            AsOf::Time(time) if time > now => Err(still_to_come("as_of", &time.to_string(), &now.to_string())),
            AsOf::Time(time) => Ok(Self { position: store.position_at(time).await?.min(head), at: time }),
            AsOf::Position(position) if position > head => Err(still_to_come("as_of", &position.to_string(), &head.to_string())),
            AsOf::Position(0) => Err(Refused::field(
                "as_of.position",
                "TOO_SMALL",
                "位置从1开始；要查询现状请不填 as_of",
                "positions begin with 1; leave as_of out to ask about now",
            )),
            AsOf::Position(position) => {
                let at = store.at(&[position]).await?.first().map_or(now, |stored| stored.committed_at);
                Ok(Self { position, at })
            }
        }
    }
}

fn still_to_come(what: &str, asked: &str, reached: &str) -> Refused {
    Refused::new(
        Class::OutOfRange,
        "BEYOND_HEAD",
        format!("{what} = {asked} 尚未到达；目前为 {reached}"),
        format!("{what} = {asked} is still to come; now at {reached}"),
    )
}

async fn wait_for(min_position: Position, patience: Duration, tail: &Tail) -> Result<Position, Refused> {
    let head = tail.position();
    if head >= min_position {
        return Ok(head);
    }
    let mut moves = tail.watch();
    let reached = tokio::time::timeout(patience, moves.wait_for(|position| *position >= min_position)).await;
    match reached {
        Ok(Ok(position)) => Ok(*position),
        // Out of patience, or the gateway is closing.
        Ok(Err(_)) | Err(_) => Err(Refused {
            retry_after: Some(Duration::from_secs(1)),
            ..still_to_come("min_position", &min_position.to_string(), &tail.position().to_string())
        }),
    }
}
