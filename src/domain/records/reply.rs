//! What recipients say back: doubts about records (疑义), their answers, and acknowledgements of urgent notices (签收).

use super::{
    RecordReference,
    check::{self, CheckContext},
    token::tokens,
};
use crate::domain::{ids::RecordId, violation::Findings};

tokens! {
    /// What came of a doubt.
    pub enum DoubtOutcome {
        /// (the record was or will be corrected)
        Corrected = "corrected", "更正";
        /// (the record stands as it is)
        Upheld = "upheld", "维持";
    }
}

/// A recipient doubts a record. It changes no state.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// The revision that is doubted.
    pub about: RecordReference,
    /// What is doubted, and why.
    pub text: String,
}

/// The publisher's answer to a doubt.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubtAnswer {
    /// The doubt.
    pub doubt: RecordId,
    /// What came of it.
    pub outcome: DoubtOutcome,
    /// In words.
    pub text: String,
}

/// An addressee of an urgent notice has taken note of it.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeAcknowledgement {
    /// The notice.
    pub notice: RecordId,
    /// What it will do, in words; may be empty.
    pub remark: String,
}

impl Doubt {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, _: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "text", &self.text);
        findings.within("about", |findings| {
            for (field, number) in [("revision", u64::from(self.about.revision)), ("position", self.about.position)] {
                if number == 0 {
                    check::missing(findings, field);
                }
            }
        });
    }
}

impl DoubtAnswer {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, _: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "text", &self.text);
    }
}

impl NoticeAcknowledgement {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, _: &CheckContext, findings: &mut Findings) {
        check::text(findings, "remark", &self.remark);
    }
}
