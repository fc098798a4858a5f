//! A redrive or discard under way: a bar when a person watches, the outcome at the end.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::show;
use crate::{
    cli::{
        Context, Failure,
        output::{json_of, progress},
        signals::Signals,
    },
    client::DeadLetterRun,
    domain::{digest::hex, violation::Lang},
    proto::{DeadLetterPreview, DeadLetterProgress},
};

/// How it is run.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Only count them by reason and show the first: nothing is changed.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Names the run: the same id and selection go on with one that was broken off. By default a random one, which is told.
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    request_id: Option<String>,
    /// Stop after so many: the same command with the same request id goes on with the rest.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, conflicts_with = "dry_run")]
    pub(super) limit: u64,
}

impl How {
    pub(super) fn request_id(&self, context: &Context) -> String {
        self.request_id.clone().unwrap_or_else(|| hex(&context.world.random::<16>()))
    }
}

/// Works a run through, or as far as Ctrl-C lets it.
pub(super) async fn finish(mut run: DeadLetterRun, word: &str, context: &Context) -> Result<(), Failure> {
    let bar = progress(context, 0, word);
    let mut signals = Signals::listen()?;
    let mut last: Option<DeadLetterProgress> = None;
    loop {
        let heard = tokio::select! {
            heard = run.next() => heard,
            () = signals.next() => break,
        };
        match heard {
            Ok(Some(heard)) => {
                bar.set_length(heard.selected);
                bar.set_position(heard.done);
                last = Some(heard);
            }
            Ok(None) => break,
            Err(error) => {
                bar.finish_and_clear();
                go_on(last.as_ref(), context);
                return Err(error.into());
            }
        }
    }
    bar.finish_and_clear();
    let Some(last) = last else { return Ok(()) };
    if !last.finished {
        go_on(Some(&last), context);
    }
    let value = json!({ "progress": json_of("DeadLetterProgress", &last) });
    context.answer(&value, || told(&last, word, context.lang))
}

/// How to go on with what was broken off.
fn go_on(last: Option<&DeadLetterProgress>, context: &Context) {
    if let Some(DeadLetterProgress { request_id, done, selected, .. }) = last {
        context.note(&match context.lang {
            Lang::Zh => format!("已办 {done}/{selected}，均已落盘；以 --request-id {request_id} 重复同一命令即可继续"),
            Lang::En => {
                format!("{done} of {selected} are done, durably: to go on repeat the command with --request-id {request_id}")
            }
        });
    }
}

fn told(progress: &DeadLetterProgress, word: &str, lang: Lang) -> String {
    let DeadLetterProgress { done, selected, gone, head, .. } = progress;
    let gone = match (gone, lang) {
        (0, _) => String::new(),
        (gone, Lang::Zh) => format!("，{gone} 条已由他人办理"),
        (gone, Lang::En) => format!(", {gone} were gone by then"),
    };
    match lang {
        Lang::Zh => format!("{word}：{done}/{selected}{gone}（按台账末位 {head} 时所选）"),
        Lang::En => format!("{word}: {done} of {selected}{gone} (selected when the ledger ended at {head})"),
    }
}

/// What a dry run found.
pub(super) fn preview(preview: &DeadLetterPreview, context: &Context) -> Result<(), Failure> {
    let value = json!({ "dry_run": true, "preview": json_of("DeadLetterPreview", preview) });
    context.answer(&value, || {
        let mut text = match context.lang {
            Lang::Zh => format!("试算，未改动：所选 {} 条\n", preview.selected),
            Lang::En => format!("dry run, nothing was changed: {} selected\n", preview.selected),
        };
        for of in &preview.by_reason {
            // Writing into a string does not fail.
            let _ = writeln!(text, "  {}  {}", of.count, of.reason);
        }
        if !preview.sample.is_empty() {
            text.push_str(context.say("最前面的几条：\n", "the first of them:\n"));
            text.push_str(&show::list(&preview.sample, context));
        }
        text
    })
}
