//! `check_everything` must be able to fail: each planted damage is found.

use super::{Home, harness::*};
use crate::domain::{
    delivery::SubscriptionDelta,
    evidence::ActKind,
    life_cycle::State::{Ceased, Confirmed, Ordered},
};

/// One statement each, over the same ledger.
const DAMAGES: [&str; 28] = [
    "UPDATE revision SET open = restricted WHERE restricted IS NOT NULL",
    "UPDATE revision SET salts = open WHERE position = 2",
    "UPDATE revision SET digest = open WHERE position = 2",
    "UPDATE revision SET revision = 3 WHERE position = 5",
    "UPDATE revision SET kind = 99 WHERE position = 2",
    "UPDATE revision SET credit_code = 'nonsense' WHERE position = 2",
    "UPDATE revision SET previous = NULL WHERE position = 5",
    "UPDATE revision SET committed_at = committed_at - 1 WHERE position = 5",
    "DELETE FROM revision WHERE position = 2",
    "DELETE FROM revision WHERE position = 7",
    "DELETE FROM record WHERE first_position = 2",
    "UPDATE record SET revision = 2 WHERE first_position = 2",
    "UPDATE record SET content_digest = (SELECT digest FROM revision WHERE position = 1) WHERE first_position = 2",
    "UPDATE record SET order_key = 'nobody' WHERE first_position = 2",
    "DELETE FROM key_run WHERE last_position = 7",
    "UPDATE key_run SET keys = zeroblob(16) WHERE last_position = 4",
    "DELETE FROM register_key WHERE position = 2",
    "DELETE FROM chain WHERE step > 0",
    "UPDATE head SET position = position + 1",
    "UPDATE head SET evidence_root = (SELECT digest FROM revision WHERE position = 1)",
    "DELETE FROM commit_log WHERE position = 4",
    "UPDATE evidence SET entry = leaf WHERE idx = 1",
    "UPDATE evidence SET outcome = 'REFUSED' WHERE idx = 1",
    "DELETE FROM evidence WHERE idx = 1",
    "DELETE FROM evidence_subject WHERE idx = 2",
    "DELETE FROM evidence_block WHERE idx = 0",
    "UPDATE subscription SET floor = 99",
    "INSERT INTO subscription_blocked (subscription, order_key, blocked_by, resume_after, since) VALUES ('gacc/none', 'k', 1, 1, 1)",
];

pub(crate) async fn planted_damage_is_found<H: Home>(_: &H) {
    for damage in DAMAGES {
        let home = H::fresh().await;
        let ledger = Ledger::open(&home).await;
        ledger
            .publish(vec![nonconformity(1), survey(2), step("d/1", 1, Confirmed, Ordered), step("d/2", 1, Ordered, Ceased)])
            .await;
        ledger.publish(vec![corrected(1, "甲"), survey(3)]).await;
        ledger.act(note(ActKind::Pull, &["somebody"])).await;
        ledger.publish(vec![nonconformity(9)]).await;
        ledger.act(create("risk")).await;
        let moved = SubscriptionDelta { floor: Some(5), ..SubscriptionDelta::empty(subscription_key("risk"), 0) };
        ledger.act(apply(moved)).await;
        ledger.is_sound().await;
        home.tamper(damage).await;
        let wrong = ledger.store.check_everything().await;
        assert!(wrong.as_ref().is_ok_and(|wrong| !wrong.is_empty()), "not found: {damage}: {wrong:?}");
        ledger.store.close().await;
    }
}
