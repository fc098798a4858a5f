//! Dead letters as people read them.

use crate::{
    cli::{
        Context,
        output::{show_moment, table},
    },
    proto::{Attempt, AttemptEnd, DeadLetter},
};

/// A line each, with how often it was tried and how the last attempt ended.
pub(super) fn list(letters: &[DeadLetter], context: &Context) -> String {
    if letters.is_empty() {
        return context.say("没有死信", "no dead letters").to_owned();
    }
    let head = [
        context.say("位置", "position"),
        context.say("记录", "record"),
        context.say("企业", "enterprise"),
        context.say("原因", "reason"),
        context.say("时间", "died"),
        context.say("次数", "attempts"),
        context.say("最后一次", "last attempt"),
    ];
    let rows = letters.iter().map(|one| {
        let last = one.history.last().map(|last| format!("{} {}", last.reason, who(last))).unwrap_or_default();
        [
            one.position.to_string(),
            format!("{} r{}", one.record_id, one.revision),
            one.enterprise.clone(),
            one.reason.clone(),
            show_moment(one.died_at_us),
            (one.history.len() as u64 + u64::from(one.left_out)).to_string(),
            last,
        ]
    });
    table(head, rows)
}

/// One letter with every attempt that is kept.
pub(super) fn one(letter: &DeadLetter, context: &Context) -> String {
    let line = |zh, en, value: String| format!("{}: {value}\n", context.say(zh, en));
    let mut text = [
        line("位置", "position", letter.position.to_string()),
        line("记录", "record", format!("{} r{}", letter.record_id, letter.revision)),
        line("企业", "enterprise", letter.enterprise.clone()),
        line("原因", "reason", letter.reason.clone()),
        line("成为死信", "died", show_moment(letter.died_at_us)),
        line("重投次数", "redriven", letter.redrives.to_string()),
    ]
    .concat();
    if letter.left_out > 0 {
        text.push_str(&line("更早的尝试未列", "earlier attempts left out", letter.left_out.to_string()));
    }
    let head = [
        context.say("次", "attempt"),
        context.say("发出", "sent"),
        context.say("结束", "ended"),
        context.say("方式", "how"),
        context.say("原因", "reason"),
        context.say("使用方", "consumer"),
    ];
    let rows = letter.history.iter().map(|attempt| {
        [
            attempt.number.to_string(),
            show_moment(attempt.sent_at_us),
            show_moment(attempt.ended_at_us),
            how(attempt.end(), context).to_owned(),
            attempt.reason.clone(),
            who(attempt),
        ]
    });
    text + &table(head, rows)
}

/// System and, where it said so, client.
fn who(attempt: &Attempt) -> String {
    match attempt.client.as_str() {
        "" => attempt.consumer.clone(),
        client => format!("{} ({client})", attempt.consumer),
    }
}

fn how(end: AttemptEnd, context: &Context) -> &str {
    match end {
        AttemptEnd::Retry => context.say("请求重试", "retry"),
        AttemptEnd::Reject => context.say("拒收", "reject"),
        AttemptEnd::LeaseExpired => context.say("租期届满", "lease expired"),
        AttemptEnd::SessionLost => context.say("会话中断", "session lost"),
        AttemptEnd::Unspecified => "-",
    }
}
