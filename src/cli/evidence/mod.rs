//! `tongbao evidence`: search, prove, export and verify the log of all acts.

mod search;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Context, Exit, Failure,
    connect::connect,
    evidence_folder::{FolderWriter, verify_folder, verify_proof_file},
    output::{progress, show_moment},
};
use crate::{
    client::Evidence,
    domain::{
        digest::Digest,
        evidence::{ProofFile, Report, VerifierKey},
    },
    proto::{ProveInclusionRequest, SearchEntriesRequest},
};

/// Most entries asked for at once.
const PAGE: u32 = 1_000;

/// 存证：检索、证明、导出、离线验证 · Evidence: search, prove, export, verify offline.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao evidence search --subject samr/2020-0042
  tongbao evidence prove 1042 --out proof.json
  tongbao evidence export ./evidence-2020-05
  tongbao evidence verify ./evidence-2020-05 --key 'tongbao.example/ledger+1a2b3c4d+…'
      Needs no gateway: files and the public key that you received another way are enough.

All but `verify` need an operator token with the role `audit` (`token_file` of the profile).")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 检索存证 · Search entries.
    Search(search::Arguments),
    /// 离线验证导出的存证或单份证明 · Verify an exported folder or a proof file, offline.
    Verify {
        /// Folder of an export, or file of a proof.
        path: PathBuf,
        /// The log's public key, received another way; else the log is only proved to agree with itself.
        #[arg(long, value_name = "VERIFIER_KEY")]
        key: Option<String>,
    },
    /// 证明一条存证 · Prove that an entry is in the log.
    Prove {
        /// Index of the entry.
        index: u64,
        /// File to write the proof to; by default standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// 导出全部存证 · Export the whole log.
    Export {
        /// Folder to write to: new or empty.
        folder: PathBuf,
    },
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached, files cannot be read or written, or evidence does not verify.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::Search(arguments) => search::run(arguments, context).await,
        What::Verify { path, key } => verify(&path, key.as_deref(), context),
        What::Prove { index, out } => prove(index, out.as_deref(), context).await,
        What::Export { folder } => export(&folder, context).await,
    }
}

fn verify(path: &Path, key: Option<&str>, context: &Context) -> Result<(), Failure> {
    let pinned = key.map(VerifierKey::parse).transpose().map_err(|error| {
        Failure::usage("NOT_A_KEY", format!("--key 不是公钥：{error}"), format!("--key is no verifier key: {error}"))
    })?;
    if !path.is_dir() {
        let proved = verify_proof_file(path, pinned.as_ref())?;
        let value = json!({ "entry": proved.entry, "tree_size": proved.checkpoint.size, "origin": proved.checkpoint.origin, "key_is_pinned": pinned.is_some() });
        return context.answer(&value, || {
            let (entry, log) = (proved.entry.index, &proved.checkpoint.origin);
            let size = proved.checkpoint.size;
            let found = context.say("证明成立：该条在日志中", "the proof holds: the entry is in the log");
            format!("{found}: #{entry} / {size} · {log}{}", pinned_words(pinned.is_some(), context))
        });
    }
    let bar = progress(context, 0, context.say("验证", "verifying"));
    let report = verify_folder(path, pinned.as_ref(), |entries| {
        if entries % 1_000 == 0 {
            bar.set_position(entries);
        }
    })?;
    bar.finish_and_clear();
    verified(&report, context)
}

fn verified(report: &Report, context: &Context) -> Result<(), Failure> {
    if report.problems.is_empty() {
        return context.answer(report, || {
            let found = context.say("存证完整无改动", "the log is whole and unchanged");
            let span = format!(
                "{} – {}",
                show_moment(report.first_time_us.unwrap_or_default()),
                show_moment(report.last_time_us.unwrap_or_default())
            );
            format!("{found}: {} · {} · {span}{}", report.origin, report.entries, pinned_words(report.key_is_pinned, context))
        });
    }
    let damaged = report.damaged_entries.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    Err(Failure::new(
        Exit::Failed,
        "EVIDENCE_DAMAGED",
        format!("存证验证不通过；有问题的条目：{damaged}"),
        format!("the evidence does not verify; entries concerned: {damaged}"),
    )
    .with(report.problems.clone()))
}

fn pinned_words(pinned: bool, context: &Context) -> &'static str {
    if pinned {
        return "";
    }
    match context.lang {
        crate::domain::violation::Lang::Zh => "\n注意：未用 --key 指定公钥，仅证明其自身一致",
        crate::domain::violation::Lang::En => "\nNote: without --key this proves only that the log agrees with itself",
    }
}

async fn prove(index: u64, out: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let answer = Evidence::new(&connection).inclusion(ProveInclusionRequest { index, tree_size: 0 }).await?;
    let wrong = |why: String| {
        Failure::new(
            Exit::Failed,
            "BAD_PROOF",
            format!("网关给出的证明有误：{why}"),
            format!("the gateway's proof is wrong: {why}"),
        )
    };
    let hashes: Vec<Digest> = answer
        .hashes
        .iter()
        .map(|hash| Digest::try_from(hash.as_ref()).map_err(|_| wrong("a hash is not 32 bytes".to_owned())))
        .collect::<Result<_, _>>()?;
    let entry = answer.entry.unwrap_or_default().entry;
    let proof = ProofFile::new(&entry, answer.tree_size, &hashes, &answer.checkpoint, &answer.verifier_key)
        .map_err(|error| wrong(error.to_string()))?;
    // What does not hold is not handed on.
    proof.verify(None).map_err(|error| wrong(error.to_string()))?;
    let text = serde_json::to_string_pretty(&proof).map_err(|error| wrong(error.to_string()))?;
    let Some(path) = out else { return context.write(&format!("{text}\n")) };
    std::fs::write(path, format!("{text}\n"))?;
    context.answer(&json!({ "index": index, "tree_size": answer.tree_size, "file": path }), || {
        format!("{} {}", context.say("证明已写入", "proof written to"), path.display())
    })
}

async fn export(folder: &Path, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let evidence = Evidence::new(&connection);
    let head = evidence.checkpoint().await?;
    let mut writer = FolderWriter::create(folder, &head.verifier_key, &head.checkpoint)?;
    let bar = progress(&context, writer.size(), context.say("导出", "exporting"));
    let mut page_token = String::new();
    // The log grows while it is read, by the reading itself: the checkpoint says where to stop.
    while writer.wants().is_some() {
        let page = evidence.search(SearchEntriesRequest { page_size: PAGE, page_token, ..Default::default() }).await?;
        for entry in &page.entries {
            if writer.wants().is_none() {
                break;
            }
            writer.entry(entry.index, &entry.entry)?;
            bar.inc(1);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let checkpoint = writer.finish()?;
    bar.finish_and_clear();
    let value =
        json!({ "folder": folder, "entries": checkpoint.size, "origin": checkpoint.origin, "verifier_key": head.verifier_key });
    context.answer(&value, || format!("{} {}: {}", context.say("已导出至", "exported to"), folder.display(), checkpoint.size))
}
