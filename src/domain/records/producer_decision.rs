//! What an operator decided about the producer that a nonconformity names without a code (domain.md §7: "a person decides").

use super::check::{self, CheckContext};
use crate::domain::{credit_code::CreditCode, ids::RecordId, names::strict_key, violation::Findings};

/// Who the producer is that a nonconformity names without a code. Of all decisions on a nonconformity the one made last stands,
/// whoever made it; a withdrawn one leaves what was found at publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerDecision {
    /// The nonconformity.
    pub nonconformity: RecordId,
    /// The name as it stood there. A decision holds for this name alone: when the nonconformity is corrected to another, it is open
    /// again.
    pub producer_name: String,
    /// The enterprise; `None` = none that is known, whatever the register found.
    pub credit_code: Option<CreditCode>,
    /// Why, in words.
    pub reason: String,
    /// The survey row it rests on, if it does on one.
    pub survey_record_id: Option<RecordId>,
}

impl ProducerDecision {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "producer_name", &self.producer_name);
        check::required_text(findings, "reason", &self.reason);
        if let Some(code) = self.credit_code {
            check::code(findings, context, "credit_code", code);
        }
    }

    /// True when it is about the name that the nonconformity bears now.
    #[must_use]
    pub fn is_about(&self, name_key: &str) -> bool {
        strict_key(&self.producer_name) == name_key
    }
}
