//! Summaries: of full blocks alone, from the first on, and what the blocks hold.

use super::{Wrong, numbers};
use crate::{
    domain::{delivery::last_of_block, ledger::Head},
    store::{
        StoreError,
        sqlite::{Connection, summaries},
    },
};

pub(super) async fn check(connection: &mut Connection, wrong: &mut Wrong, head: &Head) -> Result<(), StoreError> {
    let blocks = numbers(connection, "SELECT block FROM block_summary ORDER BY block").await?;
    for (expected, block) in (0..).zip(blocks) {
        wrong.unless(u64::try_from(block) == Ok(expected), || format!("summaries: block {block} in the place of {expected}"));
        let Ok(block) = u64::try_from(block) else { continue };
        if last_of_block(block) > head.position {
            wrong.say(format!("block {block}: it has a summary and is not full"));
            continue;
        }
        let kept = summaries::read(connection, block, 1, true).await;
        let made = summaries::of_block(connection, block).await;
        let place = || format!("the summary of block {block}");
        let (Some(kept), Some(made)) = (wrong.readable(place, kept), wrong.readable(place, made)) else { continue };
        wrong.unless(kept.first().is_some_and(|(number, summary)| *number == block && *summary == made), || {
            format!("block {block}: its summary is not of what it holds")
        });
    }
    Ok(())
}
