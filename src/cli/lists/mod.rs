//! `tongbao lists`: both lists as they stood at a moment, signed, and the verification of a saved one.

mod export;
mod verify;

use clap::{Args, Subcommand};

use super::{Context, Failure};

const EXAMPLES: &str = "\
Examples:
  tongbao lists export --list deny --format xlsx --out deny.xlsx
  tongbao lists export --list allow --as-of 2020-05-15 --format csv --out allow.csv
  tongbao lists verify deny.xlsx --key 'tongbao/1f3a…+1a2b3c4d+…'

An export is a disclosure: it is recorded, with the digest of its cells, before its first byte leaves. Beside the file stands
FILE.note, signed with the key of the evidence log: which list, at which position and moment, how many rows, the digest, the evidence
entry, the regime, and how far the feed is complete by publisher and region. `verify` needs no gateway; a workbook that was only saved
again still verifies, since the cells are what is signed.";

/// 两份名单：导出与验证 · Both lists: export and verify.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 导出名单 · Export a list as it stood at a moment, signed.
    Export(export::Arguments),
    /// 离线验证导出的名单 · Verify an exported list, offline.
    Verify(verify::Arguments),
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached, files cannot be read or written, or a list does not verify.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::Export(arguments) => export::run(arguments, context).await,
        What::Verify(arguments) => verify::run(&arguments, context),
    }
}
