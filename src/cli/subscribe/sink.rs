//! Where deliveries go. A sink has taken a delivery when it would survive what it promises: a file is on disk, a line was
//! written and flushed.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde_json::Value;

use super::exec;
use crate::{
    cli::{
        Context, Exit, Failure,
        output::{json_of, record_line},
        replace::{put, sync},
    },
    client::{Settle, Taken},
    domain::violation::Lang,
    proto::Delivery,
};

/// Where deliveries go, as named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SinkName {
    Stdout,
    Folder(PathBuf),
    Command(String),
}

impl FromStr for SinkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Folder(path.into())),
            Some(("exec", line)) if !line.trim().is_empty() => Ok(Self::Command(line.to_owned())),
            _ => Err("write `stdout`, `dir:PATH` or `exec:CMD` (写作 stdout、dir:路径 或 exec:命令)".to_owned()),
        }
    }
}

/// Where deliveries go.
pub(super) enum Sink {
    Lines { json: bool, lang: Lang },
    Folder(PathBuf),
    Command(String),
}

impl Sink {
    /// Opens it; a folder is made if it is not there.
    pub(super) fn open(name: &SinkName, context: &Context) -> Result<Self, Failure> {
        match name {
            SinkName::Stdout => Ok(Self::Lines { json: context.json(), lang: context.lang }),
            SinkName::Folder(path) => {
                std::fs::create_dir_all(path).map_err(|error| unwritable(path, &error))?;
                Ok(Self::Folder(path.clone()))
            }
            SinkName::Command(line) => Ok(Self::Command(line.clone())),
        }
    }

    /// True when every delivery is a command's.
    pub(super) fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// Takes deliveries over, and says of each what became of it.
    pub(super) async fn take(&self, batch: &[Taken]) -> Result<Vec<Settle>, Failure> {
        if let Self::Command(line) = self {
            let mut settles = Vec::with_capacity(batch.len());
            for taken in batch {
                settles.push(exec::run(line, taken).await?);
            }
            return Ok(settles);
        }
        if !batch.is_empty() {
            let deliveries: Vec<&Delivery> = batch.iter().map(|taken| &taken.delivery).collect();
            self.write(&deliveries).await?;
        }
        Ok(vec![Settle::Ack; batch.len()])
    }

    /// Writes deliveries; when it returns they are handed on.
    async fn write(&self, deliveries: &[&Delivery]) -> Result<(), Failure> {
        match self {
            Self::Lines { json, lang } => {
                let mut text = String::new();
                for delivery in deliveries {
                    text.push_str(&if *json { shown(delivery).to_string() } else { line(delivery, *lang) });
                    text.push('\n');
                }
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
                    Failure::new(
                        Exit::Failed,
                        "STDOUT",
                        format!("标准输出写入失败：{error}"),
                        format!("standard output: {error}"),
                    )
                })
            }
            Self::Folder(folder) => {
                let files: Vec<_> = deliveries.iter().map(|one| (file_name(one), format!("{:#}\n", shown(one)))).collect();
                let folder = folder.clone();
                tokio::task::spawn_blocking(move || write_all(&folder, &files))
                    .await
                    .map_err(|error| Failure::from(io::Error::other(error)))?
            }
            Self::Command(_) => Ok(()),
        }
    }
}

/// A delivery without what only settling needs: a delivery that comes again is the same but for its attempt.
pub(super) fn shown(delivery: &Delivery) -> Value {
    let mut shown = json_of("Delivery", delivery);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("token");
        fields.remove("lease_expires_at_us");
    }
    shown
}

fn line(delivery: &Delivery, lang: Lang) -> String {
    let Some(record) = &delivery.record else { return String::new() };
    let marks = [
        (delivery.recall, "【撤回】", "RECALL "),
        (delivery.redriven, "【重投】", "REDRIVEN "),
        (delivery.left_filter, "【不再符合条件】", "LEFT FILTER "),
    ];
    record_line(record, &marks, lang)
}

/// By position, which names a revision for good: sorted as they came, and a repetition overwrites itself.
fn file_name(delivery: &Delivery) -> String {
    let position = delivery.record.as_ref().map_or(0, |record| record.position);
    format!("{position:020}.json")
}

/// Each file: written beside, synced, renamed; then the folder is synced once. A crash leaves whole files or none.
fn write_all(folder: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    for (name, text) in files {
        put(folder, name, text.as_bytes()).map_err(|error| unwritable(folder, &error))?;
    }
    sync(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "SINK",
        format!("无法写入 {}：{error}；未写入的投递已退回，不计失败", path.display()),
        format!("cannot write to {}: {error}; what was not written was given back uncounted", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Record, Token};

    fn delivery(position: u64, attempt: u32) -> Taken {
        Taken::by_hand(Delivery {
            record: Some(Record { position, record_id: "samr/1".into(), revision: 1, ..Record::default() }),
            attempt,
            token: Some(Token { epoch: 1, send_number: 2 }),
            ..Delivery::default()
        })
    }

    #[test]
    fn names_of_sinks() {
        assert_eq!("stdout".parse(), Ok(SinkName::Stdout));
        assert_eq!("dir:/a b".parse(), Ok(SinkName::Folder("/a b".into())));
        assert_eq!("exec:grep -q a:b".parse(), Ok(SinkName::Command("grep -q a:b".into())));
        for bad in ["", "dir:", "file:/a", "stdout:", "exec: "] {
            assert!(bad.parse::<SinkName>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_folder_holds_each_position_once() {
        let folder = tempfile::tempdir().expect("folder");
        let sink = Sink::Folder(folder.path().to_owned());
        let settles = sink.take(&[delivery(9, 1), delivery(10, 1)]).await.expect("written");
        assert_eq!(settles, [Settle::Ack, Settle::Ack]);
        sink.take(&[delivery(9, 2)]).await.expect("written again");
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["00000000000000000009.json", "00000000000000000010.json"]);
        let text = std::fs::read_to_string(folder.path().join(&names[0])).expect("file");
        let value: Value = serde_json::from_str(&text).expect("json");
        assert_eq!((value["attempt"].as_u64(), value.get("token")), (Some(2), None));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let gone = folder.path().join("gone");
        let failure = Sink::Folder(gone.clone()).take(&[delivery(1, 1)]).await.expect_err("not there");
        assert!(failure.text.en.contains("gone"), "{failure:?}");
    }
}
