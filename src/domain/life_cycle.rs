//! The life cycle of a nonconformity (domain.md §5): states, allowed steps, tracks, folding.

use super::records::{TrackChange, TrackKind, TrackScope};

/// State of a nonconformity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// 初检不合格，未告知
    Detected,
    /// 已告知，异议期内
    Notified,
    /// 异议处理/复检中
    Disputed,
    /// 确认不合格
    Confirmed,
    /// 责令改正
    Ordered,
    /// 停止生产该产品
    Ceased,
    /// 复查中
    Rechecking,
    /// 复查不合格，省级公告
    RecheckFailed,
    /// 责令停业整顿
    Suspended,
    /// 吊销营业执照
    Revoked,
    /// 复查合格
    Cleared,
    /// 复检合格/撤销
    Overturned,
    /// 非该企业产品
    Disowned,
}

/// What a revision does to the life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A nonconformity begins in this state.
    Begin(State),
    /// A disposition: a state change, a step on a track, both or neither.
    Change {
        /// `(from, to)`.
        state: Option<(State, State)>,
        /// Track step.
        track: Option<TrackChange>,
    },
}

/// Where a nonconformity stands after its dispositions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Current state.
    pub state: State,
    /// Tracks that are open, with their scope.
    pub open_tracks: Vec<(TrackKind, TrackScope)>,
}
