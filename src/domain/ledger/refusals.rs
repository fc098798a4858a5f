//! The words of refused items: what stands, what was asked, what to do.

use super::acts::RefusedItem;
use crate::domain::{
    credit_code::CreditCode,
    ids::{RecordId, Revision},
    life_cycle::{IllegalStep, NotCompetent},
    records::{Kind, RecordReference},
    violation::Text,
};

/// Why the nonconformity of a disposition cannot be used.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// No such record.
    Missing,
    /// A record of another kind.
    OtherKind(Kind),
    /// It was withdrawn.
    Withdrawn,
}

fn item(index: usize, record_id: &RecordId, reason: &'static str, zh: String, en: String) -> RefusedItem {
    RefusedItem { index, record_id: record_id.clone(), reason, text: Text::new(zh, en) }
}

pub(super) fn content_conflict(index: usize, id: &RecordId, asked: Revision, last: Revision) -> RefusedItem {
    let next = last + 1;
    item(
        index,
        id,
        "CONTENT_CONFLICT",
        format!("{id} 第 {asked} 版已存在且内容不同（现为第 {last} 版）；如需更正，请以第 {next} 版或不注明版次发布"),
        format!(
            "{id} revision {asked} stands with other content (latest is {last}); to correct it publish revision {next} or leave the revision out"
        ),
    )
}

pub(super) fn revision_gap(index: usize, id: &RecordId, last: Revision, asked: Revision) -> RefusedItem {
    let next = last + 1;
    item(
        index,
        id,
        "REVISION_GAP",
        format!("{id} 现为第 {last} 版（0 表示尚无），却要求写入第 {asked} 版；下一版应为第 {next} 版"),
        format!("{id} stands at revision {last} (0 = not there yet), revision {asked} was asked for; the next is {next}"),
    )
}

pub(super) fn kind_changed(index: usize, id: &RecordId, stands: Kind, asked: Kind) -> RefusedItem {
    let (stands, asked) = (stands.token(), asked.token());
    item(
        index,
        id,
        "KIND_CHANGED",
        format!("{id} 的种类为 {stands}，不能改为 {asked}；请另用记录编号"),
        format!("{id} is a {stands} and cannot become a {asked}; use another record id"),
    )
}

pub(super) fn illegal_step(index: usize, id: &RecordId, illegal: IllegalStep) -> RefusedItem {
    let text = illegal.text();
    RefusedItem { index, record_id: id.clone(), reason: "ILLEGAL_STEP", text }
}

pub(super) fn not_competent(index: usize, id: &RecordId, lacking: NotCompetent) -> RefusedItem {
    let text = lacking.text();
    RefusedItem { index, record_id: id.clone(), reason: "NOT_COMPETENT", text }
}

pub(super) fn unknown_reference(index: usize, id: &RecordId, reference: &RecordReference) -> RefusedItem {
    let RecordReference { record_id, revision, position } = reference;
    item(
        index,
        id,
        "UNKNOWN_REFERENCE",
        format!("{id} 所引用的 {record_id} 第 {revision} 版（位置 {position}）不存在；请核对编号、版次和位置"),
        format!("{id} refers to {record_id} revision {revision} at position {position}, which is not there: check all three"),
    )
}

pub(super) fn unknown_target(index: usize, id: &RecordId, named: &RecordId) -> RefusedItem {
    item(
        index,
        id,
        "UNKNOWN_REFERENCE",
        format!("{id} 所答复的 {named} 不存在或已撤回；请核对编号"),
        format!("{id} replies to {named}, which is not there or was withdrawn: check the id"),
    )
}

pub(super) fn unknown_nonconformity(index: usize, id: &RecordId, named: &RecordId, found: Target) -> RefusedItem {
    let (zh, en) = match found {
        Target::Missing => {
            ("不存在，请先发布该不合格记录".to_owned(), "is not there: publish the nonconformity first".to_owned())
        }
        Target::OtherKind(kind) => (
            format!("是 {}，不是不合格记录；请核对编号", kind.token()),
            format!("is a {}, not a nonconformity: check the id", kind.token()),
        ),
        Target::Withdrawn => (
            "已撤回，不能再登记处置；如系误撤，请先重新发布该不合格记录".to_owned(),
            "was withdrawn and takes no further dispositions: publish it again first if that was an error".to_owned(),
        ),
    };
    item(index, id, "UNKNOWN_NONCONFORMITY", format!("{id} 所指的 {named} {zh}"), format!("{id}: {named} {en}"))
}

pub(super) fn nonconformity_changed(index: usize, id: &RecordId, asked: &RecordId) -> RefusedItem {
    item(
        index,
        id,
        "NONCONFORMITY_CHANGED",
        format!("{id} 不能改指 {asked}：处置始终属于首版所指的不合格记录；请撤回后另行登记"),
        format!(
            "{id} cannot be moved to {asked}: a disposition stays with the nonconformity of its first revision; withdraw it and publish another"
        ),
    )
}

pub(super) fn code_stated(index: usize, id: &RecordId, nonconformity: &RecordId, code: CreditCode) -> RefusedItem {
    item(
        index,
        id,
        "CODE_STATED",
        format!("{nonconformity} 已载明生产者代码 {code}，无须认定；如代码有误，请由发布单位更正"),
        format!("{nonconformity} states the producer's code {code} itself: if it is wrong, its publisher corrects it"),
    )
}

pub(super) fn name_changed(index: usize, id: &RecordId, nonconformity: &RecordId) -> RefusedItem {
    item(
        index,
        id,
        "NAME_CHANGED",
        format!("{nonconformity} 的生产者名称已更正，与认定所依据的名称不同；请查看后重新认定"),
        format!("the producer's name in {nonconformity} is no longer the one that was decided on: look again and decide anew"),
    )
}
