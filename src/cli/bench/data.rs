//! The records: invented, deterministic by seed and number, 1 KiB each.

use std::ops::Range;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::site::Site;
use crate::{
    cli::{Failure, output::progress},
    client::{BatchBounds, Publisher, PublisherOptions},
    domain::{
        ids::RecordId,
        products::ProductKind,
        records::{Content, Matter, Nonconformity, examples},
    },
    proto::{Delivery, Record},
    wire,
};

/// Bytes of a record's content, within the rounding of its Chinese padding.
pub(super) const PAYLOAD_BYTES: usize = 1_024;
/// Who publishes.
pub(super) const PUBLISHER: &str = "amr-440000";
/// Batches on their way while loading.
const LOADING: usize = 6;
/// One failed product in so many is of the rare kind, where that many are stored.
const RARITY: u64 = 100_000;
/// Bytes of a character of the padding.
const PADDING_BYTES: usize = "整".len();

/// How records are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    seed: u64,
    /// One failed product in so many is of the rare kind.
    pub(super) rarity: u64,
}

impl Data {
    /// Of a seed, for that many failed products stored.
    pub(super) fn new(seed: u64, records: u64) -> Self {
        Self { seed, rarity: RARITY.min(records) }
    }

    /// The `n`-th failed product, each of another enterprise.
    pub(super) fn failed(self, number: u64) -> Option<Record> {
        let mut nonconformity = examples::nonconformity(number);
        if number % self.rarity == self.rarity - 1 {
            nonconformity.product_kind = Some(ProductKind::Children);
        }
        let id = RecordId::parse(&format!("{PUBLISHER}/bench-{:x}-{number}", self.seed)).ok()?;
        // What the list says of the handling is free text: the place for padding, at most 500 characters.
        let padding = PAYLOAD_BYTES.saturating_sub(bytes_of(&nonconformity)) / PADDING_BYTES;
        nonconformity.handling_raw = "整".repeat(padding);
        Some(publishable(&id, Matter::Nonconformity(Box::new(nonconformity))))
    }

    /// The `n`-th survey of an enterprise.
    pub(super) fn survey(self, number: u64) -> Option<Record> {
        let id = RecordId::parse(&format!("{PUBLISHER}/bench-survey-{:x}-{number}", self.seed)).ok()?;
        Some(publishable(&id, Matter::EnterpriseSurvey(Box::new(examples::survey(number)))))
    }

    /// A number below `below`, as good as random, the same for the same seed and `n`.
    pub(super) fn pick(self, number: u64, below: u64) -> u64 {
        // SplitMix64: neighbours give unlike numbers.
        let mut z = self.seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }
}

/// The number of a delivered failed product.
pub(super) fn number_of(delivery: &Delivery) -> Option<u64> {
    delivery.record.as_ref()?.record_id.rsplit_once('-')?.1.parse().ok()
}

/// Roughly, from the texts that differ in length: sealing each record twice to know it exactly would cost more than it tells.
fn bytes_of(nonconformity: &Nonconformity) -> usize {
    const REST: usize = 482;
    let texts =
        [&nonconformity.producer.name, &nonconformity.producer.address, &nonconformity.brand, &nonconformity.sampling_number];
    REST + texts.into_iter().map(String::len).sum::<usize>()
}

fn publishable(id: &RecordId, matter: Matter) -> Record {
    wire::publishable(id, None, &Content { matter, withdrawal: None }, None)
}

/// Publishes records of those numbers as fast as it goes.
pub(super) async fn load(
    site: &Site<'_>,
    numbers: Range<u64>,
    what: &str,
    make: impl Fn(u64) -> Option<Record>,
) -> Result<(), Failure> {
    let publisher = &Publisher::new(&site.connect(PUBLISHER)?, PublisherOptions::default());
    let bar = progress(site.context, numbers.end - numbers.start, what);
    let (make, batch) = (&make, BatchBounds::GATEWAY.records);
    stream::iter(numbers.clone().step_by(batch))
        .map(|first| async move {
            let records = (first..numbers.end.min(first + batch as u64)).filter_map(make).collect();
            publisher.publish_batch(records).await
        })
        .buffer_unordered(LOADING)
        .try_for_each(|(answer, _)| {
            bar.inc(answer.records.len() as u64);
            site.count_stored(answer.records.iter().filter(|record| !record.duplicate).count() as u64);
            std::future::ready(Ok(()))
        })
        .await?;
    bar.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_a_kibibyte_and_the_same_every_time() {
        let data = Data::new(3, 1_000_000);
        for number in [0, 9, 1_234, 99_999, 2_999_999] {
            let record = data.failed(number).expect("a record");
            let bytes: usize = record.sections.iter().map(|section| section.content.len()).sum();
            assert!(bytes.abs_diff(PAYLOAD_BYTES) <= 16, "{number}: {bytes}");
            let again = data.failed(number).expect("a record");
            assert_eq!(record.sections[0].content, again.sections[0].content);
        }
    }

    #[test]
    fn picks_depend_on_seed_and_number_and_stay_below() {
        let (one, two) = (Data::new(1, 100), Data::new(2, 100));
        let picks = |data: Data| (0..1_000).map(|n| data.pick(n, 10)).collect::<Vec<_>>();
        assert_eq!(picks(one), picks(one));
        assert_ne!(picks(one), picks(two));
        assert!((0..10).all(|wanted| picks(one).contains(&wanted)) && picks(one).iter().all(|pick| *pick < 10));
    }
}
