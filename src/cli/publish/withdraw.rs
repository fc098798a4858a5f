//! `--withdraw-missing`: what a corrected list no longer has is withdrawn (domain.md §9).
//!
//! Only records that are named by the list and a row are the list's: one with a number of its own may stand in other lists too,
//! and a file without it says nothing about it.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, IsTerminal as _},
};

use super::rows::Row;
use crate::{
    cli::{Context, Exit, Failure},
    client::{Connection, Records},
    domain::{
        ids::{ParticipantId, RecordId},
        records::Content,
        violation::Lang,
    },
    intake::Reading,
    proto::{ListRecordsRequest, RecordKind},
    wire::{Received, publishable, received},
};

/// Records of a page.
const PAGE: u32 = 1_000;

/// What of a list stands and is in the files no more.
pub(super) struct Missing {
    list: String,
    /// Records of the list that stand, not counting those withdrawn before.
    standing: usize,
    /// The withdrawals.
    pub(super) rows: Vec<Row>,
}

impl Missing {
    /// Compares the files with what stands of the list.
    ///
    /// # Errors
    /// When no row of the files is named by the list, or the gateway refuses or is not reached.
    pub(super) async fn of<'a>(
        connection: &Connection,
        publisher: &ParticipantId,
        list: &str,
        readings: impl Iterator<Item = &'a Reading>,
    ) -> Result<Self, Failure> {
        let prefix = format!("{publisher}/{list}/");
        let rows = readings.flat_map(|reading| &reading.sheets).flat_map(|sheet| &sheet.rows);
        let present: BTreeSet<&RecordId> =
            rows.filter_map(|row| row.record_id.as_ref()).filter(|id| id.as_str().starts_with(&prefix)).collect();
        if present.is_empty() {
            return Err(Failure::usage(
                "NO_ROW_OF_THE_LIST",
                format!("文件中没有以“{list}”和行号命名的行，无从判断缺少哪些"),
                format!("no row of the files is named by `{list}` and its number, so nothing can be said to be missing"),
            ));
        }
        let mut missing = Self { list: list.to_owned(), standing: 0, rows: Vec::new() };
        let records = Records::new(connection);
        let mut request = ListRecordsRequest {
            kind: RecordKind::Nonconformity.into(),
            publisher: publisher.to_string(),
            page_size: PAGE,
            ..ListRecordsRequest::default()
        };
        loop {
            let page = records.list(request.clone()).await?;
            for record in page.records.iter().filter(|record| record.record_id.starts_with(&prefix)) {
                let record = received(record)
                    .map_err(|error| Failure::new(Exit::Failed, "UNREADABLE_RECORD", error.to_string(), error.to_string()))?;
                missing.add(record, &present);
            }
            if page.next_page_token.is_empty() {
                return Ok(missing);
            }
            request.page_token = page.next_page_token;
        }
    }

    fn add(&mut self, record: Received, present: &BTreeSet<&RecordId>) {
        if record.content.withdrawal.is_some() {
            return;
        }
        self.standing += 1;
        if present.contains(&record.record_id) {
            return;
        }
        let reason = format!("更正后的名单“{}”中已无此行", self.list);
        let content = Content { withdrawal: Some(reason), ..record.content };
        // The revision is named: if somebody corrects the record meanwhile, the withdrawal is refused instead of winning.
        let withdrawal = publishable(&record.record_id, Some(record.revision + 1), &content, None);
        self.rows.push(Row::withdrawal(withdrawal, record.provenance.unwrap_or_default()));
    }

    /// How a withdrawal is agreed to: by `--yes`, or by a person who is asked. More than half of the list is taken for a wrong file or
    /// a wrong name of the list, and needs `--yes`.
    ///
    /// # Errors
    /// When it is not agreed to.
    pub(super) fn agreed(&self, confirmed: bool, context: &Context) -> Result<(), Failure> {
        let (missing, standing, list) = (self.rows.len(), self.standing, &self.list);
        if confirmed || missing == 0 {
            return Ok(());
        }
        if missing * 2 > standing {
            return Err(Failure::usage(
                "MOST_OF_THE_LIST_MISSING",
                format!(
                    "名单“{list}”现有 {standing} 条，文件中缺 {missing} 条，超过一半；请核对文件和名单名称，确认无误后加 --yes；未报送任何一行"
                ),
                format!(
                    "of the {standing} records of `{list}` the files lack {missing}, more than half: check the file and the list's name, then confirm with --yes; nothing was published"
                ),
            ));
        }
        if !context.json() && io::stdin().is_terminal() && asked(missing, standing, context)? {
            return Ok(());
        }
        Err(Failure::usage(
            "WITHDRAWAL_NOT_CONFIRMED",
            format!("将撤回名单“{list}”的 {missing} 条（共 {standing} 条）；先用 --check 查看，确认后加 --yes；未报送任何一行"),
            format!(
                "{missing} of the {standing} records of `{list}` would be withdrawn: look at them with --check, then confirm with --yes; nothing was published"
            ),
        ))
    }
}

/// Asks the person at the terminal.
fn asked(missing: usize, standing: usize, context: &Context) -> Result<bool, Failure> {
    context.note(&match context.lang {
        Lang::Zh => format!("将撤回 {missing} 条（共 {standing} 条）。继续？输入 y 确认："),
        Lang::En => format!("{missing} of {standing} records will be withdrawn. Go on? Type y to confirm:"),
    });
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes" | "是"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::Global,
        domain::records::{Matter, examples},
    };

    fn missing(standing: usize, gone: usize) -> Missing {
        let content = Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(1))), withdrawal: None };
        let id = RecordId::parse("samr/list/1").expect("an id");
        let row = || Row::withdrawal(publishable(&id, Some(2), &content, None), crate::domain::draft::Provenance::default());
        Missing { list: "list".into(), standing, rows: (0..gone).map(|_| row()).collect() }
    }

    #[test]
    fn a_person_agrees_and_more_than_half_needs_the_flag() {
        let context = Context::new(Global { json: true, ..Global::default() });
        let reason = |standing, gone| missing(standing, gone).agreed(false, &context).expect_err("nobody agreed").reason;
        assert_eq!(reason(10, 5), "WITHDRAWAL_NOT_CONFIRMED");
        assert_eq!(reason(10, 6), "MOST_OF_THE_LIST_MISSING");
        assert!(missing(10, 0).agreed(false, &context).is_ok(), "nothing to agree to");
        assert!(missing(10, 10).agreed(true, &context).is_ok());
    }
}
