//! Subscriptions: nothing beyond the head, nothing twice, nothing that belongs to none.

use super::Wrong;
use crate::{
    domain::{delivery::SubscriptionState, ids::Position, ledger::Head},
    store::{
        StoreError,
        sqlite::{
            Connection,
            errors::Mapped as _,
            subscriptions::{load_inside, parse_key},
        },
    },
};

/// Rows about positions whose order key the ledger does not confirm, and rows of no subscription.
const STRAY: &str = "
    SELECT 'retry of ' || s.subscription || ' at ' || s.position FROM subscription_retry s
        LEFT JOIN revision v ON v.position = s.position LEFT JOIN record r ON r.first_position = v.first_position
        WHERE r.order_key IS NOT s.order_key
    UNION ALL SELECT 'dead letter of ' || s.subscription || ' at ' || s.position FROM subscription_dead s
        LEFT JOIN revision v ON v.position = s.position LEFT JOIN record r ON r.first_position = v.first_position
        WHERE r.order_key IS NOT s.order_key OR r.record_id IS NOT s.record_id OR v.revision IS NOT s.revision
    UNION ALL SELECT 'row of the unknown subscription ' || o.subscription FROM (
        SELECT subscription FROM subscription_chunk UNION SELECT subscription FROM subscription_retry
        UNION SELECT subscription FROM subscription_dead UNION SELECT subscription FROM subscription_blocked
        UNION SELECT subscription FROM dead_letter_run) o
        WHERE o.subscription NOT IN (SELECT subscription FROM subscription)";

pub(super) async fn check(connection: &mut Connection, wrong: &mut Wrong, head: &Head) -> Result<(), StoreError> {
    let stray: Vec<String> = sqlx::query_scalar(STRAY).fetch_all(&mut *connection).await.mapped()?;
    for line in stray {
        wrong.say(format!("{line}: the ledger knows nothing of it"));
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT subscription FROM subscription ORDER BY subscription")
        .fetch_all(&mut *connection)
        .await
        .mapped()?;
    for name in names {
        let loaded = match parse_key(&name) {
            Ok(key) => load_inside(connection, &key).await,
            Err(error) => Err(error),
        };
        if let Some(Some(state)) = wrong.readable(|| format!("subscription {name}"), loaded) {
            check_state(wrong, &name, &state, head.position);
        }
    }
    Ok(())
}

fn check_state(wrong: &mut Wrong, name: &str, state: &SubscriptionState, head: Position) {
    wrong.unless(state.highest_passed() <= head, || {
        format!("subscription {name} has passed {}, the ledger ends at {head}", state.highest_passed())
    });
    let twice: Vec<_> = state.retrying.keys().filter(|position| state.dead.contains(**position)).collect();
    wrong.unless(twice.is_empty(), || format!("subscription {name}: {twice:?} wait for a retry and are dead letters"));
    wrong.unless(state.sought_epoch <= state.epoch && state.row.snapshot_at <= head, || {
        format!("subscription {name}: its last seek is of an epoch or a snapshot still to come")
    });
    for blocked in state.blocked.values() {
        wrong.unless(blocked.blocked_by <= head && blocked.resume_after <= head, || {
            format!("subscription {name}: {} is blocked beyond the head", blocked.order_key.0)
        });
    }
}
