//! Publishing: guarantee 5, revisions, batches.

use super::{Home, harness::*};
use crate::domain::records::Kind;

pub(crate) async fn a_record_is_published_and_read_back(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let sent = nonconformity(1);
    let items = ledger.publish(vec![sent.clone()]).await;
    assert_eq!((items[0].position, items[0].revision, items[0].duplicate), (1, 1, false));

    let stored = ledger.everything().await.pop().expect("one record");
    assert_eq!(stored.record_id, sent.record_id);
    assert_eq!(stored.publisher, publisher());
    assert_eq!(stored.sections, sent.sections);
    assert_eq!(stored.attributes, sent.attributes);
    assert_eq!(stored.committed_at, START);
    assert_eq!(stored.digest, sent.sections.record_digest(&sent.record_id, 1, Kind::Nonconformity));
    assert_eq!((stored.previous, stored.resolution), (None, None));
    ledger.is_sound().await;
}
