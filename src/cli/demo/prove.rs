//! Step f: one delivery is proved, the whole log verified offline, and one changed byte is found.

use std::{fs, path::Path};

use super::{Stage, Telling};
use crate::{
    cli::{
        Failure,
        evidence_folder::{FolderWriter, verify_folder},
    },
    client::Evidence,
    domain::evidence::{VerifierKey, leaf_hash, verify_checkpoint, verify_inclusion},
    proto::{ActKind, EvidenceEntry, ProveInclusionRequest, SearchEntriesRequest},
};

/// Step f.
pub(super) async fn prove(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let evidence = Evidence::new(&stage.connect("samr")?);
    prove_delivery(stage, &evidence, tell).await?;
    let folder = stage.house.folder().join("evidence");
    let entries = export(&evidence, &folder).await?;
    stage.counts.evidence_entries = entries;
    let report = verify_folder(&folder, None, |_| {})?;
    tell.require(
        report.is_sound() && report.entries == entries,
        format!("导出的 {entries} 条证据离线核验通过：只需文件和公钥"),
        format!("{entries} exported entries verify offline: nothing needed but the files and a public key"),
    );
    let copy = stage.house.folder().join("evidence-tampered");
    let damaged = tamper(&folder, &copy)?;
    let report = verify_folder(&copy, None, |_| {})?;
    tell.require(
        !report.is_sound() && report.damaged_entries.contains(&damaged),
        format!("副本第 {damaged} 条改动一个字节：核验失败，指出第 {:?} 条", report.damaged_entries),
        format!("one byte of entry {damaged} changed in a copy: verification fails and names {:?}", report.damaged_entries),
    );
    Ok(())
}

async fn prove_delivery(stage: &Stage<'_>, evidence: &Evidence, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let position = stage.failed.first().map_or(0, |(_, answer)| answer.position);
    let request =
        SearchEntriesRequest { kind: ActKind::Disclose.into(), participant: "gacc".to_owned(), position, ..Default::default() };
    let page = evidence.search(request).await?;
    let Some(logged) = page.entries.first() else {
        tell.require(false, "找不到这次投递的证据", "no evidence of the delivery");
        return Ok(());
    };
    let entry: EvidenceEntry = prost::Message::decode(logged.entry.clone()).unwrap_or_default();
    let proof = evidence.inclusion(ProveInclusionRequest { index: logged.index, tree_size: 0 }).await?;
    let hashes: Vec<[u8; 32]> = proof.hashes.iter().filter_map(|hash| hash.as_ref().try_into().ok()).collect();
    let proved = VerifierKey::parse(&proof.verifier_key).and_then(|key| verify_checkpoint(&proof.checkpoint, &key)).is_ok_and(
        |checkpoint| {
            checkpoint.size == proof.tree_size
                && verify_inclusion(&leaf_hash(&logged.entry), logged.index, checkpoint.size, &hashes, &checkpoint.root)
        },
    );
    tell.require(
        proved,
        format!(
            "位置 {position} 的记录向 {}/{} 的投递：条目 {}，树 {} 条，{} 个哈希，检查点签名有效",
            entry.participant,
            entry.system,
            logged.index,
            proof.tree_size,
            hashes.len()
        ),
        format!(
            "the delivery of position {position} to {}/{}: entry {}, tree of {}, {} hashes, the checkpoint's signature is good",
            entry.participant,
            entry.system,
            logged.index,
            proof.tree_size,
            hashes.len()
        ),
    );
    Ok(())
}

/// Exports the whole log up to a checkpoint; answers how many entries.
async fn export(evidence: &Evidence, folder: &Path) -> Result<u64, Failure> {
    let head = evidence.checkpoint().await?;
    let mut writer = FolderWriter::create(folder, &head.verifier_key, &head.checkpoint)?;
    let mut page_token = String::new();
    'pages: loop {
        let page = evidence.search(SearchEntriesRequest { page_size: 1_000, page_token, ..Default::default() }).await?;
        for logged in &page.entries {
            if writer.wants().is_none() {
                break 'pages;
            }
            writer.entry(logged.index, &logged.entry)?;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    Ok(writer.finish()?.size)
}

/// Copies an exported folder and changes one byte of an entry in the middle; answers which.
fn tamper(folder: &Path, copy: &Path) -> Result<u64, Failure> {
    fs::create_dir_all(copy)?;
    for file in fs::read_dir(folder)? {
        let file = file?;
        fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    let path = copy.join(crate::cli::evidence_folder::ENTRIES);
    let text = fs::read_to_string(&path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let middle = lines.len() / 2;
    if let Some(line) = lines.get_mut(middle) {
        // One character of the base64 of the entry's bytes.
        if let Some(at) = line.find("\"entry\":\"").map(|at| at + 20) {
            let other = if line[at..].starts_with('A') { "B" } else { "A" };
            line.replace_range(at..=at, other);
        }
    }
    fs::write(&path, lines.join("\n") + "\n")?;
    Ok(middle as u64)
}
