//! What became of the rows: new, changed or the same.

use std::fmt::Write as _;

use prost::Message as _;
use serde_json::{Value, json};

use super::rows::{Rows, place};
use crate::{
    cli::{Complaint, Context, Exit, Failure, output::table},
    client::{ClientError, Connection, Published, Records},
    domain::{
        evidence::PositionRange,
        names::strict_key,
        violation::{Lang, Text},
    },
    proto::{GetRecordRequest, Nonconformity, PublishedRecord, Record, SectionName},
};

/// Remarks and changes shown to people; `--json` shows all.
const SHOWN: usize = 50;

/// What became of the rows.
pub(super) struct Outcome {
    records: Vec<PublishedRecord>,
    evidence: Vec<u64>,
}

/// How many of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    new: usize,
    changed: usize,
    same: usize,
    withdrawn: usize,
}

fn change(record: &PublishedRecord, withdrawn: bool) -> &'static str {
    match (record.duplicate, record.revision) {
        (true, _) => "same",
        _ if withdrawn => "withdrawn",
        (false, ..=1) => "new",
        (false, _) => "changed",
    }
}

impl Outcome {
    pub(super) fn of(published: Published) -> Self {
        Self { records: published.records, evidence: published.evidence }
    }

    fn count(&self, rows: &Rows) -> Count {
        let mut count = Count::default();
        for (record, row) in self.records.iter().zip(rows.iter()) {
            match change(record, row.withdrawn) {
                "same" => count.same += 1,
                "new" => count.new += 1,
                "withdrawn" => count.withdrawn += 1,
                _ => count.changed += 1,
            }
        }
        count
    }

    /// The same row number with another producer is refused unless confirmed (domain.md §9): somebody sorted the list anew.
    pub(super) async fn refuse_other_producers(
        &self,
        connection: &Connection,
        rows: &Rows,
        confirmed: bool,
        context: &Context,
    ) -> Result<(), Failure> {
        if confirmed {
            return Ok(());
        }
        let records = Records::new(connection);
        let mut others = Vec::new();
        let changed = self.records.iter().zip(rows.iter()).filter(|(record, row)| change(record, row.withdrawn) == "changed");
        for (record, row) in changed {
            let Some(producer) = &row.producer else { continue };
            let request = GetRecordRequest { record_id: record.record_id.clone(), ..GetRecordRequest::default() };
            let standing = match records.record(request).await {
                Ok(answer) => answer.record.as_ref().and_then(producer_of),
                Err(ClientError::Refused(refusal)) => {
                    context.note(&format!(
                        "{} {}: {}",
                        context.say("无法核对原有生产者", "cannot compare the producer that stands"),
                        record.record_id,
                        refusal.message
                    ));
                    None
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(standing) = standing.filter(|standing| strict_key(standing) != strict_key(producer)) {
                others.push(Complaint {
                    field: place(&row.place),
                    reason: "OTHER_PRODUCER".to_owned(),
                    text: Text::new(
                        format!("{} 原为“{standing}”，现为“{producer}”", record.record_id),
                        format!("{} stands for `{standing}`, now `{producer}`", record.record_id),
                    ),
                });
            }
        }
        if others.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            "OTHER_PRODUCER",
            "同一名单同一行的生产者变了：名单可能重新排过序。请换一个 --list，或确认后加 --yes；未报送任何一行",
            "rows of the same list and number name another producer: was the list sorted anew? Name another --list, or confirm with --yes; nothing was published",
        )
        .with(others))
    }

    /// Gives the answer.
    pub(super) fn tell(&self, rows: &Rows, only_checked: bool, context: &Context) -> Result<(), Failure> {
        // A list may be long: only what is asked for is made.
        if context.json() {
            return context.answer(&self.to_json(rows, only_checked), String::new);
        }
        context.write(&self.as_text(rows, only_checked, context))
    }

    fn to_json(&self, rows: &Rows, only_checked: bool) -> Value {
        let count = self.count(rows);
        let records: Vec<_> = self
            .records
            .iter()
            .zip(rows.iter())
            .map(|(record, row)| {
                json!({
                    "record_id": record.record_id,
                    "revision": record.revision,
                    "position": record.position,
                    "change": change(record, row.withdrawn),
                    "file": row.place.file_name,
                    "sheet": row.place.sheet,
                    "row": row.place.row,
                    "resolved_to": record.resolution.as_ref().map(|resolution| &resolution.credit_code),
                    "remarks": record.remarks.iter().map(|one| json!({
                        "field": one.field, "reason": one.reason, "message": one.message,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "published": !only_checked,
            "new": count.new,
            "changed": count.changed,
            "same": count.same,
            "withdrawn": count.withdrawn,
            "evidence": self.evidence,
            "records": records,
        })
    }

    fn as_text(&self, rows: &Rows, only_checked: bool, context: &Context) -> String {
        let Count { new, changed, same, withdrawn } = self.count(rows);
        let mut text = match (context.lang, only_checked) {
            (Lang::Zh, true) => format!("核对结果（未报送）：新增 {new}，变更 {changed}，相同 {same}\n"),
            (Lang::Zh, false) => format!("已报送：新增 {new}，变更 {changed}，相同 {same}\n"),
            (Lang::En, true) => format!("checked, nothing published: {new} new, {changed} changed, {same} the same\n"),
            (Lang::En, false) => format!("published: {new} new, {changed} changed, {same} the same\n"),
        };
        if withdrawn > 0 {
            let _ = match context.lang {
                Lang::Zh => writeln!(text, "名单中已无，撤回：{withdrawn}"),
                Lang::En => writeln!(text, "no longer in the list, withdrawn: {withdrawn}"),
            };
        }
        let worth: Vec<_> = self
            .records
            .iter()
            .zip(rows.iter())
            .filter(|(record, row)| !matches!(change(record, row.withdrawn), "new" | "same") || !record.remarks.is_empty())
            .collect();
        if !worth.is_empty() {
            let head = [
                context.say("位置", "where"),
                context.say("记录", "record"),
                context.say("变化", "change"),
                context.say("提示", "remarks"),
            ];
            let shown = worth.iter().take(SHOWN).map(|(record, row)| {
                let remarks: Vec<_> = record.remarks.iter().map(|one| format!("{} [{}]", one.message, one.reason)).collect();
                let id = format!("{} r{}", record.record_id, record.revision);
                [place(&row.place), id, change(record, row.withdrawn).to_owned(), remarks.join("\n")]
            });
            let _ = writeln!(text, "{}", table(head, shown));
        }
        if worth.len() > SHOWN {
            let _ = writeln!(text, "… +{}", worth.len() - SHOWN);
        }
        let positions = self.records.iter().map(|record| record.position).filter(|position| *position > 0);
        if let (Some(first), Some(last)) = (positions.clone().min(), positions.max()) {
            let evidence = PositionRange::join(self.evidence.iter().copied()).iter().map(entries).collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "{} {first}–{last} · {} {evidence}",
                context.say("账本位置", "positions"),
                context.say("存证", "evidence")
            );
        }
        text
    }
}

/// Entries of evidence in a row.
fn entries(range: &PositionRange) -> String {
    match (range.first, range.last) {
        (first, last) if first == last => format!("#{first}"),
        (first, last) => format!("#{first}–#{last}"),
    }
}

fn producer_of(record: &Record) -> Option<String> {
    let open = record.sections.iter().find(|section| section.name() == SectionName::Open)?;
    Some(Nonconformity::decode(open.content.clone()).ok()?.producer?.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_changed_and_same_are_told_apart() {
        let one = |revision, duplicate| PublishedRecord { revision, duplicate, ..PublishedRecord::default() };
        let told = [one(1, false), one(2, false), one(3, true)].map(|record| change(&record, false));
        assert_eq!(told, ["new", "changed", "same"]);
        assert_eq!(change(&one(2, false), true), "withdrawn");
        assert_eq!(change(&one(2, true), true), "same", "withdrawn before");
    }
}
