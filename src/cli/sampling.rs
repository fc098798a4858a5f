//! `tongbao sampling`: what a campaign sampled and found in a region.

use clap::Args;

use super::{Context, Failure, reply::Replier};
use crate::domain::{
    dates::{CivilDate, Precision},
    products::ProductKind,
    records::{Matter, SamplingField, SamplingSummary, Token as _},
    regions::Region,
};

/// 报送抽查汇总 · Publish the numbers of a sampling campaign.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao sampling --campaign 2020-spring --region 330000 --kind daily_protective --field production --sampled 120 --failed 19 --producers 64 --to 2020-05-20

The same campaign, region, kind and field again is a correction: the earlier numbers no longer count.")]
pub struct Arguments {
    /// Name of the campaign.
    #[arg(long)]
    campaign: String,
    /// Region, GB/T 2260.
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: Region,
    /// Kind of the product, e.g. daily_protective, or its wording.
    #[arg(long)]
    kind: String,
    /// production, market or online.
    #[arg(long, value_parser = field)]
    field: SamplingField,
    /// Batches sampled.
    #[arg(long, value_name = "N")]
    sampled: u64,
    /// Batches that failed.
    #[arg(long, value_name = "N")]
    failed: u64,
    /// Producers whose goods were sampled.
    #[arg(long, value_name = "N")]
    producers: Option<u64>,
    /// Last day that the numbers take in; by default today.
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<CivilDate>,
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).ok_or_else(|| "a region has six digits, or is 66".to_owned())
}

fn field(token: &str) -> Result<SamplingField, String> {
    SamplingField::parse(token).ok_or_else(|| "there are production, market, online".to_owned())
}

fn day(text: &str) -> Result<CivilDate, String> {
    CivilDate::parse(text).filter(|date| date.precision() == Precision::Day).ok_or_else(|| "write 2020-05-20".to_owned())
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let replier = Replier::open(context)?;
    let Arguments { campaign, region, kind, field, sampled, failed, producers, to } = arguments;
    let product_kind = ProductKind::parse(&kind);
    let id = replier.id("sampling", &[&campaign, &region.code(), product_kind.token(), field.token()])?;
    let complete_to = to.unwrap_or_else(|| CivilDate::of_instant(replier.context.world.clock.now()));
    let summary = SamplingSummary { campaign, region, product_kind, field, sampled, failed, producers, complete_to };
    replier.publish(id, Matter::SamplingSummary(Box::new(summary))).await
}
