//! Publishing and attesting: admit → permit → decide and commit → answer.

use super::{
    Caller, Class, Gateway, Refused,
    gateway::unexpected,
    policy::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS},
};
use crate::domain::{
    draft::Draft,
    evidence::ActKind,
    feeds::Feed,
    grants::{Action, Permit},
    ids::Micros,
    ledger::{Attestation, BatchOutcome, Change, Outcome, Publish, PublishMany, PublishedItem, Refusal, RefusedItem},
    life_cycle::Authority,
    records::{Kind, Matter},
    regions::Region,
    violation::{Text, Violation},
};
use crate::store::EvidenceQuery;

/// An answered batch.
#[derive(Debug, Clone)]
pub struct Published {
    /// One for each draft, in order.
    pub items: Vec<PublishedItem>,
    /// Evidence entry, if something was written.
    pub evidence_index: Option<u64>,
    /// Commit time.
    pub committed_at: Micros,
}

/// Answered batches of a stream: one for each, in order.
pub type PublishedMany = Vec<Result<Published, Refused>>;

/// An answered attestation.
#[derive(Debug, Clone, Copy)]
pub struct Attested {
    /// The time that stands now.
    pub complete_to: Micros,
    /// Evidence entry.
    pub evidence_index: u64,
}

/// Refuses a batch by its size, before anything of it is parsed.
///
/// # Errors
/// `EMPTY_BATCH`, `TOO_MANY_RECORDS` or `BATCH_TOO_LARGE`.
pub fn admit_batch(records: usize, bytes: usize) -> Result<(), Refused> {
    if records == 0 {
        return Err(Refused::field(
            "records",
            "EMPTY_BATCH",
            "批次为空：至少要有一条记录",
            "the batch is empty: send at least one record",
        ));
    }
    if records > MAX_BATCH_RECORDS {
        return Err(Refused::field(
            "records",
            "TOO_MANY_RECORDS",
            format!("一批 {records} 条，超过上限 {MAX_BATCH_RECORDS} 条：请分批发送"),
            format!("{records} records in one batch, at most {MAX_BATCH_RECORDS}: send several batches"),
        ));
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(Refused::field(
            "records",
            "BATCH_TOO_LARGE",
            format!("一批 {bytes} 字节，超过上限 {MAX_BATCH_BYTES} 字节：请分批发送"),
            format!("{bytes} bytes in one batch, at most {MAX_BATCH_BYTES}: send several batches"),
        ));
    }
    Ok(())
}

impl Gateway {
    /// Publishes one atomic batch of checked drafts. Answers after the transaction, evidence included, is on disk.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `ABORTED` (conflicts, gaps), `FAILED_PRECONDITION` (illegal step), `UNAVAILABLE`,
    /// `RESOURCE_EXHAUSTED`.
    pub async fn publish(&self, caller: &Caller, drafts: Vec<Draft>, validate_only: bool) -> Result<Published, Refused> {
        let mut feeds: Vec<Feed> = drafts.iter().map(|draft| draft.attributes.feed()).collect();
        feeds.sort_unstable();
        feeds.dedup();
        PublishRights { gateway: self, caller, known: Vec::new() }.check(&drafts)?;
        self.check_screenings(caller, &drafts).await?;
        self.check_replies(caller, &drafts).await?;
        let mut evidence = Self::evidence_of(caller, ActKind::Publish);
        evidence.feeds = feeds;
        let (publisher, authority) = (caller.participant().clone(), self.authority(caller));
        let publish = Publish { publisher, authority, drafts, validate_only };
        let done = self.act(Change::Publish(Box::new(publish)), evidence).await?;
        match done.outcome {
            Outcome::Published { items, evidence_index } => {
                Ok(Published { items, evidence_index, committed_at: done.committed_at })
            }
            Outcome::Refused(Refusal::Batch(items)) => Err(refuse_batch(items)),
            other => Err(unexpected("publish", &other)),
        }
    }

    /// Publishes batches of checked drafts that came one after the other on a stream: each atomic, each answered for itself, all
    /// that are accepted under one evidence entry. Answers after the transaction is on disk.
    ///
    /// # Errors
    /// For all of them: `UNAVAILABLE`, `RESOURCE_EXHAUSTED`. What is refused of one batch is in its own answer.
    pub async fn publish_many(&self, caller: &Caller, batches: Vec<Vec<Draft>>) -> Result<PublishedMany, Refused> {
        let mut rights = PublishRights { gateway: self, caller, known: Vec::new() };
        let (mut permitted, mut denied) = (Vec::with_capacity(batches.len()), Vec::new());
        for (index, drafts) in batches.into_iter().enumerate() {
            let checked = match rights.check(&drafts) {
                Ok(()) => match self.check_screenings(caller, &drafts).await {
                    Ok(()) => self.check_replies(caller, &drafts).await,
                    refused => refused,
                },
                refused => refused,
            };
            match checked {
                Ok(()) => permitted.push(drafts),
                Err(refused) => denied.push((index, refused)),
            }
        }
        let mut answers = if permitted.is_empty() { Vec::new() } else { self.commit_many(caller, permitted).await? };
        // Ascending: each finds those before it in place.
        for (index, refused) in denied {
            answers.insert(index, Err(refused));
        }
        Ok(answers)
    }

    /// An action of customs that names a screening names one that was answered to the same participant: the evidence log has it.
    async fn check_screenings(&self, caller: &Caller, drafts: &[Draft]) -> Result<(), Refused> {
        for (index, draft) in drafts.iter().enumerate() {
            let Matter::ExportAction(matter) = &draft.content.matter else { continue };
            if matter.screening_id.is_empty() || draft.attributes.withdrawn {
                continue;
            }
            let query = EvidenceQuery {
                kind: Some(ActKind::Screen),
                participant: caller.participant().as_str().to_owned(),
                subject: matter.screening_id.clone(),
                ..EvidenceQuery::default()
            };
            if self.store.search_evidence(&query, None, 1).await?.is_empty() {
                return Err(unknown_screening(index, &matter.screening_id));
            }
        }
        Ok(())
    }

    pub(super) fn authority(&self, caller: &Caller) -> Authority {
        self.policy.load().authority(self.register.load().participant(caller.participant()))
    }

    async fn commit_many(&self, caller: &Caller, batches: Vec<Vec<Draft>>) -> Result<PublishedMany, Refused> {
        let (publisher, authority) = (caller.participant().clone(), self.authority(caller));
        let publish = PublishMany { publisher, authority, batches };
        let done = self.act(Change::PublishMany(Box::new(publish)), Self::evidence_of(caller, ActKind::Publish)).await?;
        let Outcome::PublishedMany { batches, evidence_index } = done.outcome else {
            return Err(unexpected("publish_many", &done.outcome));
        };
        let answer = |batch: BatchOutcome| match batch {
            Ok(items) => {
                let evidence_index = evidence_index.filter(|_| items.iter().any(|item| !item.duplicate));
                Ok(Published { items, evidence_index, committed_at: done.committed_at })
            }
            Err(items) => Err(refuse_batch(items)),
        };
        Ok(batches.into_iter().map(answer).collect())
    }

    /// Attests that a feed is complete for a region up to a time.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `INVALID_ARGUMENT` for a time in the future; `UNAVAILABLE`.
    pub async fn attest(
        &self,
        caller: &Caller,
        feed: Feed,
        region: Option<Region>,
        complete_to: Micros,
    ) -> Result<Attested, Refused> {
        self.permit(caller, Action::Attest, feed)?;
        let now = self.world.clock.now();
        if complete_to <= 0 || complete_to > now {
            return Err(Refused::field(
                "complete_to_us",
                "FUTURE_TIME",
                "完整截止时间须在过去：不能声明尚未发生的时间",
                "complete_to_us must lie in the past: completeness of a time to come cannot be attested",
            ));
        }
        let mut evidence = Self::evidence_of(caller, ActKind::Attest);
        evidence.feeds = vec![feed];
        evidence.subjects = region.map(Region::code).into_iter().collect();
        let attestation = Attestation { publisher: caller.participant().clone(), feed, region, complete_to };
        match self.act(Change::Attest(attestation), evidence).await?.outcome {
            Outcome::Attested { complete_to, evidence_index } => Ok(Attested { complete_to, evidence_index }),
            other => Err(unexpected("attest", &other)),
        }
    }
}

fn unknown_screening(index: usize, id: &str) -> Refused {
    let text = Text::new(
        format!("没有答复本单位的审单结果 {id}；请核对，或不填 screening_id"),
        format!("no screening {id} was answered to you: check the id, or leave it out"),
    );
    let field = format!("records[{index}].export_action.screening_id");
    Refused {
        violations: vec![Violation { field, reason: "UNKNOWN_SCREENING", text: text.clone() }],
        ..Refused::new(Class::FailedPrecondition, "UNKNOWN_SCREENING", text.zh, text.en)
    }
}

/// The rights of one caller at one moment, each asked for once.
struct PublishRights<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    known: Vec<(Feed, Action, Result<Permit, Refused>)>,
}

impl PublishRights<'_> {
    /// Whether all feeds of a batch may be published into.
    fn check(&mut self, drafts: &[Draft]) -> Result<(), Refused> {
        for draft in drafts {
            let feed = draft.attributes.feed();
            // Who may read a notice may acknowledge it.
            let action = match draft.attributes.kind {
                Kind::NoticeAcknowledgement => Action::Read,
                _ => Action::Publish,
            };
            let is = |(known, done, _): &&(Feed, Action, _)| *known == feed && *done == action;
            if !self.known.iter().any(|known| is(&known)) {
                self.known.push((feed, action, self.gateway.permit(self.caller, action, feed)));
            }
            let known = self.known.iter().find(is);
            if let Some((_, _, Err(refused))) = known {
                return Err(refused.clone());
            }
        }
        Ok(())
    }
}

/// A refused batch; every item is listed. `PERMISSION_DENIED` when all are steps of another authority; `FAILED_PRECONDITION` when all ask for what the records that stand do not allow, whoever
/// asks how often; `ABORTED` when one lost a race or knew an older revision: reading again and publishing anew may help.
pub(super) fn refuse_batch(items: Vec<RefusedItem>) -> Refused {
    let never = [
        "UNKNOWN_REFERENCE",
        "NOT_COMPETENT",
        "CODE_STATED",
        "ILLEGAL_STEP",
        "KIND_CHANGED",
        "NONCONFORMITY_CHANGED",
        "UNKNOWN_NONCONFORMITY",
    ];
    let class = if items.iter().all(|item| item.reason == "NOT_COMPETENT") {
        Class::PermissionDenied
    } else if items.iter().all(|item| never.contains(&item.reason)) {
        Class::FailedPrecondition
    } else {
        Class::Aborted
    };
    let reason = items.first().map_or("CONTENT_CONFLICT", |item| item.reason);
    let count = items.len();
    Refused {
        violations: items
            .into_iter()
            .map(|item| Violation { field: format!("records[{}]", item.index), reason: item.reason, text: item.text })
            .collect(),
        ..Refused::new(
            class,
            reason,
            format!("批次中有 {count} 条记录与现有记录冲突，整批未写入，逐条见详情"),
            format!("{count} records of the batch conflict with what stands; nothing was written; each is listed"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::RecordId, violation::Text};

    fn class(reasons: &[&'static str]) -> Class {
        let record_id = RecordId::parse("samr/1").expect("an id");
        let item = |(index, reason): (usize, &&'static str)| RefusedItem {
            index,
            record_id: record_id.clone(),
            reason,
            text: Text::new("", ""),
        };
        refuse_batch(reasons.iter().enumerate().map(item).collect()).class
    }

    #[test]
    fn aborted_says_that_reading_again_may_help() {
        assert_eq!(class(&["CONTENT_CONFLICT"]), Class::Aborted);
        assert_eq!(class(&["NONCONFORMITY_CHANGED"]), Class::FailedPrecondition);
        assert_eq!(class(&["ILLEGAL_STEP", "KIND_CHANGED"]), Class::FailedPrecondition);
        assert_eq!(class(&["ILLEGAL_STEP", "REVISION_GAP"]), Class::Aborted);
    }
}
