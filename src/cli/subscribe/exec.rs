//! `--to exec:CMD`: each delivery is piped to a command of its own, and its exit code is what is said of the delivery.
//!
//! Codes are those of `sysexits.h` that mail systems have used for as long for the same questions: done, failed for now, failed
//! for good.

use std::{io::Write as _, process::ExitStatus, process::Stdio};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::sink::shown;
use crate::{
    cli::{Exit, Failure},
    client::{Settle, Taken},
};

/// The data are wrong: never again.
const DATA_ERROR: i32 = 65;
/// Failed for now.
const TEMPORARY_FAILURE: i32 = 75;
/// What the shell says of a command that it cannot run, or not find.
const NOT_RUN: [i32; 2] = [126, 127];
/// Most bytes kept of what a command says on standard error, to find its first line.
const KEPT: usize = 4_096;

/// Runs the command line for one delivery and says what became of it. A lease that is lost ends the command (SIGTERM).
///
/// # Errors
/// When the command cannot be run at all: our trouble, not the delivery's.
pub(super) async fn run(line: &str, taken: &Taken) -> Result<Settle, Failure> {
    let json = format!("{}\n", shown(&taken.delivery));
    let mut child = start(line, taken).map_err(|error| not_run(line, &error.to_string()))?;
    let group = child.id();
    let ended = tokio::select! {
        ended = feed(&mut child, json) => ended,
        () = taken.lease.lost() => {
            terminate(group).await;
            return Ok(Settle::Release);
        }
    };
    let (status, said) = ended.map_err(|error| not_run(line, &error.to_string()))?;
    if status.code().is_some_and(|code| NOT_RUN.contains(&code)) {
        return Err(not_run(line, if said.is_empty() { "the shell cannot run it" } else { &said }));
    }
    Ok(settle_of(status, &said))
}

fn start(line: &str, taken: &Taken) -> std::io::Result<Child> {
    let record = taken.delivery.record.as_ref();
    Command::new("/bin/sh")
        .args(["-c", line])
        .env("TONGBAO_POSITION", record.map_or(0, |record| record.position).to_string())
        .env("TONGBAO_RECORD_ID", record.map_or("", |record| record.record_id.as_str()))
        .env("TONGBAO_ATTEMPT", taken.delivery.attempt.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is ours: what runs is finished first.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Writes to the command, and waits for its end. Returns its status and the first line it said on standard error.
async fn feed(child: &mut Child, json: String) -> std::io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command need not read what it does not want: its exit code says what it thinks.
            let _ = stdin.write_all(json.as_bytes()).await;
        }
    };
    let read = async {
        let (mut kept, mut buffer) = (Vec::new(), vec![0; KEPT]);
        if let Some(mut stderr) = stderr {
            while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
                let said = buffer.get(..read).unwrap_or_default();
                kept.extend_from_slice(said.get(..read.min(KEPT - kept.len())).unwrap_or_default());
                // Ours may be closed: nobody is left to tell.
                let _ = std::io::stderr().lock().write_all(said);
            }
        }
        let text = String::from_utf8_lossy(&kept);
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    };
    let ((), said, status) = tokio::join!(write, read, child.wait());
    Ok((status?, said))
}

fn settle_of(status: ExitStatus, said: &str) -> Settle {
    let reason = |code: String| if said.is_empty() { code } else { said.to_owned() };
    match status.code() {
        Some(0) => Settle::Ack,
        Some(DATA_ERROR) => Settle::Reject { reason: reason(format!("EXIT_{DATA_ERROR}")) },
        Some(TEMPORARY_FAILURE) => Settle::retry(reason(format!("EXIT_{TEMPORARY_FAILURE}"))),
        // Not what was agreed on: the code is worth knowing whatever was said.
        Some(code) => Settle::retry(format!("EXIT_{code} {said}").trim_end()),
        None => Settle::retry(format!("{status} {said}").trim_end()),
    }
}

/// Asks the command and all it started to end.
async fn terminate(group: Option<u32>) {
    let Some(group) = group else { return };
    let kill = format!("kill -TERM -- -{group}");
    // It may have ended by itself meanwhile.
    let _ = Command::new("/bin/sh").args(["-c", &kill]).stderr(Stdio::null()).status().await;
}

fn not_run(line: &str, why: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "COMMAND_NOT_RUN",
        format!("无法运行“{line}”：{why}；投递已退回，不计失败"),
        format!("`{line}` cannot be run: {why}; the delivery was given back uncounted"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Delivery, Record};

    fn taken() -> Taken {
        let record = Record { position: 7, record_id: "samr/1".into(), revision: 1, ..Record::default() };
        Taken::by_hand(Delivery { record: Some(record), attempt: 2, ..Delivery::default() })
    }

    async fn settled(line: &str) -> Settle {
        run(line, &taken()).await.expect("it runs")
    }

    #[tokio::test]
    async fn exit_codes_are_settles() {
        assert_eq!(settled("exit 0").await, Settle::Ack);
        assert_eq!(settled("exit 75").await, Settle::retry("EXIT_75"));
        assert_eq!(
            settled("echo; echo ' the system is down ' >&2; echo more >&2; exit 75").await,
            Settle::retry("the system is down")
        );
        assert_eq!(
            settled("echo 'no such enterprise' >&2; exit 65").await,
            Settle::Reject { reason: "no such enterprise".into() }
        );
        assert_eq!(settled("exit 65").await, Settle::Reject { reason: "EXIT_65".into() });
        assert_eq!(settled("echo broken >&2; exit 3").await, Settle::retry("EXIT_3 broken"));
        assert!(matches!(settled("kill -KILL $$").await, Settle::Retry { reason, .. } if reason.contains("signal")));
    }

    #[tokio::test]
    async fn the_command_reads_the_delivery_and_knows_its_place() {
        let checks = "grep -q samr/1 && test \"$TONGBAO_POSITION-$TONGBAO_RECORD_ID-$TONGBAO_ATTEMPT\" = 7-samr/1-2";
        assert_eq!(settled(checks).await, Settle::Ack);
    }

    #[tokio::test]
    async fn more_than_a_pipe_holds_is_neither_lost_nor_waited_for() {
        let mut large = taken();
        large.delivery.order_key = "x".repeat(1 << 20);
        assert_eq!(run("test $(wc -c) -gt 1000000", &large).await.expect("it runs"), Settle::Ack);
        assert_eq!(run("exit 0", &large).await.expect("it runs"), Settle::Ack, "it need not read");
        assert_eq!(run("head -c 1000000 /dev/zero >&2", &large).await.expect("it runs"), Settle::Ack);
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_is_our_trouble() {
        let failure = run("/no/such/command", &taken()).await.expect_err("not there");
        assert_eq!(failure.reason, "COMMAND_NOT_RUN");
    }
}
