//! Who may reply: a record may be doubted by whoever may read it, a doubt is answered by the publisher of the record, and a notice is
//! acknowledged by whoever may read it. What the replier may not see does not exist for it.

use super::{Caller, Class, Gateway, Refused, moment::Moment, pull::PullDesk};
use crate::domain::{
    draft::Draft,
    enterprise_file::Filed,
    feeds::Feed,
    grants::Action,
    ids::RecordId,
    life_cycle::Authority,
    records::{Kind, Matter},
    violation::{Text, Violation},
};

impl Gateway {
    /// Checks the replies of a batch against what they reply to.
    pub(super) async fn check_replies(&self, caller: &Caller, drafts: &[Draft]) -> Result<(), Refused> {
        for (index, draft) in drafts.iter().enumerate().filter(|(_, draft)| !draft.attributes.withdrawn) {
            let Some(target) = draft.content.matter.replies_to() else { continue };
            let field = format!("records[{index}].{}", draft.content.matter.kind().token());
            let found = self.pull.readable(caller, target).await?.filter(|filed| !filed.stored.attributes.withdrawn);
            let Some(found) = found else { return Err(unknown(field, target)) };
            let own = caller.participant().as_str();
            match (&draft.content.matter, &found.content.matter) {
                (Matter::Doubt(_), Matter::Doubt(_) | Matter::DoubtAnswer(_) | Matter::NoticeAcknowledgement(_)) => {
                    return Err(unknown(field, target));
                }
                (Matter::Doubt(_), _) if target.namespace() == own => return Err(own_record(field, target)),
                (Matter::DoubtAnswer(_), Matter::Doubt(doubt)) => {
                    let doubted = &doubt.about.record_id;
                    if doubted.namespace() != own && self.authority(caller) != Authority::National {
                        return Err(not_answerable(field, doubted));
                    }
                }
                (Matter::Doubt(_), _) | (Matter::NoticeAcknowledgement(_), Matter::UrgentNotice(_)) => {}
                _ => return Err(unknown(field, target)),
            }
        }
        Ok(())
    }
}

impl PullDesk {
    /// A record in force, if the caller may read it. Nothing of it leaves.
    async fn readable(&self, caller: &Caller, id: &RecordId) -> Result<Option<Filed>, Refused> {
        let Ok(rights) = self.reader.rights(caller, Action::Read, &Feed::ALL) else { return Ok(None) };
        let moment = Moment { position: self.reader.tail.position(), at: self.reader.world.clock.now() };
        let Some(stored) = self.reader.store.record(id, None, moment.position).await? else { return Ok(None) };
        let status = match stored.attributes.kind {
            Kind::Nonconformity => self.status_of(&stored, None, moment).await?,
            _ => None,
        };
        if !rights.admit(&stored, status.as_ref()) {
            return Ok(None);
        }
        self.reader.file(stored).map(Some)
    }
}

fn refused(class: Class, reason: &'static str, field: String, text: Text) -> Refused {
    Refused { violations: vec![Violation { field, reason, text: text.clone() }], text, ..Refused::new(class, reason, "", "") }
}

fn unknown(field: String, id: &RecordId) -> Refused {
    let text = Text::new(
        format!("没有可向本单位提供的、可以答复的 {id}；请核对编号"),
        format!("there is no {id} that you may read and reply to so: check the id"),
    );
    refused(Class::FailedPrecondition, "UNKNOWN_REFERENCE", field, text)
}

fn own_record(field: String, id: &RecordId) -> Refused {
    let text = Text::new(
        format!("{id} 是本单位发布的记录；请直接更正，不必提出疑义"),
        format!("{id} is your own record: correct it instead of doubting it"),
    );
    refused(Class::FailedPrecondition, "OWN_RECORD", field, text)
}

fn not_answerable(field: String, id: &RecordId) -> Refused {
    let text = Text::new(format!("疑义针对 {id}，须由其发布单位答复"), format!("the doubt is about {id}: its publisher answers"));
    refused(Class::PermissionDenied, "NOT_COMPETENT", field, text)
}
