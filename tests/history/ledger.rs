//! What the store holds at last.

use std::path::Path;

use tongbao::{
    domain::delivery::{SubscriptionKey, SubscriptionState},
    domain::ids::ParticipantId,
    store::{
        PageBounds, Store as _,
        sqlite::{Options, SqliteStore},
    },
};

/// How one position stands with the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Settled for good: never delivered again.
    Done,
    /// In the dead letters.
    Dead,
    /// Kept for another attempt, this one.
    Waiting { attempt: u32 },
    /// Not settled: will be read and delivered.
    ToCome,
}

/// One position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub position: u64,
    pub record_id: String,
    /// The enterprise.
    pub order_key: String,
    pub stand: Stand,
}

/// Every position, ascending, as one subscription that admits all of them sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(pub Vec<Place>);

impl Ledger {
    /// Reads the file of a store that nobody else has open.
    pub async fn read(path: &Path, participant: &str, subscription: &str) -> Self {
        let store = SqliteStore::open(path, 1, &Options::default()).await.expect("the store opens");
        let participant = ParticipantId::parse(participant).expect("a participant");
        let key = SubscriptionKey { participant, name: subscription.to_owned() };
        let state = store.subscription(&key).await.expect("it reads").expect("the subscription stands");
        let head = store.head().await.expect("a head").position;
        let bounds = PageBounds { records: 1_000, bytes: 8 << 20 };
        let mut places: Vec<Place> = Vec::new();
        loop {
            let after = places.last().map_or(0, |place| place.position);
            let page = store.page(after, head, bounds).await.expect("a page");
            if page.is_empty() {
                break;
            }
            places.extend(page.into_iter().map(|record| Place {
                position: record.position,
                record_id: record.record_id.to_string(),
                stand: stand(&state, record.position, &record.order_key),
                order_key: record.order_key.0.as_ref().to_owned(),
            }));
        }
        store.close().await;
        Self(places)
    }
}

fn stand(state: &SubscriptionState, position: u64, order_key: &tongbao::domain::draft::OrderKey) -> Stand {
    let waits_behind = state.blocked.get(order_key).is_some_and(|blocked| position > blocked.resume_after);
    if let Some(row) = state.retrying.get(&position) {
        Stand::Waiting { attempt: row.failures + 1 }
    } else if state.dead.contains(position) {
        Stand::Dead
    } else if state.is_passed(position) && !waits_behind {
        Stand::Done
    } else {
        Stand::ToCome
    }
}
