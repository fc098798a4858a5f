//! What published lists say of the rectification (整改情况), read as a state.

use super::State;
use crate::domain::names::normalise_text;

/// Wordings, the graver or later first: a cell may hold several, and the first found counts.
///
/// `复检合格` is missing on purpose: lists use it loosely for `复查合格`, and read as `overturned` it would release goods.
const WORDINGS: &[(State, &[&str])] = &[
    (State::Revoked, &["吊销营业执照", "被吊销"]),
    (State::Suspended, &["停业整顿"]),
    (State::RecheckFailed, &["复查仍不合格", "复查不合格", "复查未合格", "复查结果不合格"]),
    (State::Cleared, &["复查合格", "复查已合格", "复查结果合格"]),
    (State::Rechecking, &["复查中", "正在复查", "待复查", "等待复查"]),
    (State::Ceased, &["停止同种产品生产", "停止生产", "停产", "不再生产"]),
    (State::Ordered, &["责令改正", "责令整改", "限期整改", "限期改正", "整改中", "正在整改"]),
    (State::Confirmed, &["确认不合格"]),
];

const NEGATIONS: [&str; 6] = ["未", "没有", "尚未", "不", "无需", "不予"];

impl State {
    /// The state that a wording of a list means; `None` when it is empty, says nothing certain, or denies it.
    pub fn from_wording(wording: &str) -> Option<Self> {
        let text = normalise_text(wording);
        WORDINGS.iter().find(|(_, wordings)| wordings.iter().any(|wording| says(&text, wording))).map(|(state, _)| *state)
    }
}

fn says(text: &str, wording: &str) -> bool {
    text.match_indices(wording).any(|(at, _)| !NEGATIONS.iter().any(|negation| text[..at].ends_with(negation)))
}
