//! What a screening says.

use std::fmt;

/// What a screening says, in rising order: over all reasons the highest wins, so that nothing known is outvoted by what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// 不适用: not the goods this gateway knows of.
    NotApplicable,
    /// 未发现问题: nothing known speaks against it.
    Clear,
    /// 人工核查: a person has to look.
    Review,
    /// 无法判断: data is stale or the input unusable.
    Unknown,
    /// 拦截: known to be held.
    Hold,
}

impl Verdict {
    /// All, in rising order.
    pub const ALL: [Self; 5] = [Self::NotApplicable, Self::Clear, Self::Review, Self::Unknown, Self::Hold];

    /// Token as on the command line and in evidence.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::NotApplicable => "NOT_APPLICABLE",
            Self::Clear => "CLEAR",
            Self::Review => "REVIEW",
            Self::Unknown => "UNKNOWN",
            Self::Hold => "HOLD",
        }
    }

    /// The verdict of that token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.token() == token)
    }

    /// In Chinese.
    #[must_use]
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::NotApplicable => "不适用",
            Self::Clear => "未发现问题",
            Self::Review => "人工核查",
            Self::Unknown => "无法判断",
            Self::Hold => "拦截",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn hold_outranks_unknown_outranks_review_outranks_clear() {
        assert!(Verdict::Hold > Verdict::Unknown);
        assert!(Verdict::Unknown > Verdict::Review);
        assert!(Verdict::Review > Verdict::Clear);
        assert!(Verdict::Clear > Verdict::NotApplicable);
    }

    #[test]
    fn tokens_are_read_back() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::parse(verdict.token()), Some(verdict));
        }
        assert_eq!(Verdict::parse("hold"), None);
    }
}
