//! The life cycle of a nonconformity (domain.md §5): states, allowed steps, tracks, folding.
//!
//! Only its creator writes a record; every later step is a disposition. What a nonconformity is now is therefore never stored: it
//! is the fold of its first state and the steps after it, and an illegal step is refused before it is written.

mod competence;
mod standing;
mod step;
mod wording;

pub use competence::{Authority, NotCompetent, Proceeding, Seat};
pub use standing::{IllegalStep, Standing, fold};
pub use step::Step;

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

impl State {
    /// All states in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::Detected,
        Self::Notified,
        Self::Disputed,
        Self::Confirmed,
        Self::Ordered,
        Self::Ceased,
        Self::Rechecking,
        Self::RecheckFailed,
        Self::Suspended,
        Self::Revoked,
        Self::Cleared,
        Self::Overturned,
        Self::Disowned,
    ];

    /// Token as in the protocol and on the command line.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Notified => "notified",
            Self::Disputed => "disputed",
            Self::Confirmed => "confirmed",
            Self::Ordered => "ordered",
            Self::Ceased => "ceased",
            Self::Rechecking => "rechecking",
            Self::RecheckFailed => "recheck_failed",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Cleared => "cleared",
            Self::Overturned => "overturned",
            Self::Disowned => "disowned",
        }
    }

    /// The state of that token.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.token() == token)
    }

    /// Chinese name.
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::Detected => "初检不合格，未告知",
            Self::Notified => "已告知，异议期内",
            Self::Disputed => "异议处理/复检中",
            Self::Confirmed => "确认不合格",
            Self::Ordered => "责令改正",
            Self::Ceased => "停止生产该产品",
            Self::Rechecking => "复查中",
            Self::RecheckFailed => "复查不合格，省级公告",
            Self::Suspended => "责令停业整顿",
            Self::Revoked => "吊销营业执照",
            Self::Cleared => "复查合格",
            Self::Overturned => "复检合格/撤销",
            Self::Disowned => "非该企业产品",
        }
    }

    /// Stable number, 1 to 13: what stores keep.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The state of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The states that the table names as next, beside the two that any state which is not terminal may become.
    const fn next_in_table(self) -> &'static [Self] {
        match self {
            Self::Detected => &[Self::Notified],
            Self::Notified => &[Self::Disputed, Self::Confirmed],
            // A clearance that is revoked leads back to `confirmed`, as an objection that fails does.
            Self::Disputed | Self::Cleared => &[Self::Confirmed],
            Self::Confirmed => &[Self::Ordered, Self::Ceased],
            Self::Ordered => &[Self::Rechecking, Self::Ceased, Self::RecheckFailed],
            Self::Ceased => &[Self::Rechecking],
            Self::Rechecking => &[Self::Cleared, Self::RecheckFailed],
            Self::RecheckFailed => &[Self::Rechecking, Self::Cleared, Self::Suspended],
            Self::Suspended => &[Self::Rechecking, Self::Cleared, Self::Revoked],
            Self::Revoked | Self::Overturned | Self::Disowned => &[],
        }
    }

    /// True when nothing can follow.
    pub const fn is_terminal(self) -> bool {
        self.next_in_table().is_empty()
    }

    /// The states that may follow.
    pub fn next(self) -> impl Iterator<Item = Self> {
        let taken_back: &[Self] = if self.is_terminal() { &[] } else { &[Self::Overturned, Self::Disowned] };
        self.next_in_table().iter().chain(taken_back).copied()
    }

    /// True when `to` may follow this state.
    pub fn may_become(self, to: Self) -> bool {
        self.next().any(|next| next == to)
    }

    /// True while the goods of the failed batch and the same product of the producer are held (HOLD in both columns of the table).
    pub const fn is_holding(self) -> bool {
        !matches!(self, Self::Detected | Self::Cleared | Self::Overturned | Self::Disowned)
    }

    /// True for states that take a finding back: every past recipient is told.
    pub const fn is_recall(self) -> bool {
        matches!(self, Self::Overturned | Self::Disowned)
    }
}

#[cfg(test)]
mod tests;
