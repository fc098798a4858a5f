//! Passing over blocks that hold nothing for a subscription.

use super::rights::Rights;
use crate::{
    domain::{
        attributes::Attributes,
        delivery::{BlockSummary, Filter, block_of, last_of_block},
        ids::Position,
    },
    store::StoreError,
};

/// Summaries read at once, at most: begins with one, twice as many each time, so that a filter that selects much pays for one.
const MOST_AT_ONCE: usize = 256;

/// True when a block holds nothing that the filter selects, and nothing that has to be said to be withheld.
pub(super) fn holds_nothing(summary: &BlockSummary, filter: &Filter, rights: &Rights) -> bool {
    // What is of a feed without a grant, and not asked for by the feed's name, is not said to be withheld: see `Reader::judge`.
    let admits_all = |like: &Attributes| rights.admit_all(like).unwrap_or(filter.feeds.is_empty());
    summary.holds_nothing_for(filter, admits_all)
}

/// Where reading goes on after `after`: full blocks that hold nothing are passed over, none that ends beyond `upto`. `summaries` reads
/// some from a block on; where one is missing, the block is read.
pub(super) async fn pass_over<F>(
    after: Position,
    upto: Position,
    summaries: impl Fn(u64, usize) -> F,
    holds_nothing: impl Fn(&BlockSummary) -> bool,
) -> Result<Position, StoreError>
where
    F: Future<Output = Result<Vec<(u64, BlockSummary)>, StoreError>>,
{
    let (mut passed, mut at_once) = (after, 1);
    while last_of_block(block_of(passed + 1)) <= upto {
        let found = summaries(block_of(passed + 1), at_once).await?;
        let is_last = found.len() < at_once;
        for (block, summary) in found {
            let is_next = block == block_of(passed + 1) && last_of_block(block) <= upto;
            if !is_next || !holds_nothing(&summary) {
                return Ok(passed);
            }
            passed = last_of_block(block);
        }
        if is_last {
            break;
        }
        at_once = (at_once * 2).min(MOST_AT_ONCE);
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        attributes::attributes_of,
        delivery::BLOCK_POSITIONS,
        records::{Content, Matter, examples},
    };

    /// Blocks 0 to 599 have a summary but for `missing`; `full` are those that hold something.
    async fn passed(after: Position, upto: Position, full: &[u64], missing: &[u64]) -> (Position, usize) {
        let asked = std::cell::Cell::new(0);
        let something = BlockSummary::of([(&something(), None)]);
        let read = |first: u64, limit: usize| {
            asked.set(asked.get() + 1);
            let summary = |block: &u64| if full.contains(block) { something.clone() } else { BlockSummary::default() };
            let found = (first..600).filter(|block| !missing.contains(block)).take(limit);
            std::future::ready(Ok(found.map(|block| (block, summary(&block))).collect()))
        };
        let at = pass_over(after, upto, read, |summary| *summary == BlockSummary::default()).await.expect("summaries");
        (at, asked.get())
    }

    fn something() -> Attributes {
        attributes_of(&Content { matter: Matter::UrgentNotice(Box::new(examples::notice(1))), withdrawal: None }, None)
    }

    #[tokio::test]
    async fn it_ends_where_something_may_be() {
        assert_eq!(passed(0, 500 * BLOCK_POSITIONS, &[0], &[]).await, (0, 1));
        assert_eq!(passed(0, 500 * BLOCK_POSITIONS, &[3], &[]).await.0, 3 * BLOCK_POSITIONS - 1);
        assert_eq!(passed(0, 500 * BLOCK_POSITIONS, &[], &[5]).await.0, 5 * BLOCK_POSITIONS - 1);
        let (at, asked) = passed(7, u64::MAX, &[400], &[]).await;
        assert_eq!(at, 400 * BLOCK_POSITIONS - 1);
        assert!(asked < 12, "{asked} readings");
    }

    #[tokio::test]
    async fn it_ends_before_the_head_and_where_there_are_no_more() {
        assert_eq!(passed(0, BLOCK_POSITIONS - 2, &[], &[]).await, (0, 0), "the block is not full");
        assert_eq!(passed(9, BLOCK_POSITIONS - 1, &[], &[]).await.0, BLOCK_POSITIONS - 1);
        assert_eq!(passed(0, 3 * BLOCK_POSITIONS + 5, &[], &[]).await.0, 3 * BLOCK_POSITIONS - 1);
        assert_eq!(passed(0, u64::MAX - 1, &[], &[]).await.0, 600 * BLOCK_POSITIONS - 1);
    }
}
