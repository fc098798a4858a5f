//! `FeedService`: what administrators of a subscription ask.

use super::feed_events;
use crate::{
    domain::{cursor::Cursor, violation::Findings},
    gateway::{Caller, Gateway, Refused, administer_subscription::SeekTo},
    proto::{self, seek_to::To},
    wire,
};

/// Characters of a reason.
const MAX_REASON: usize = 500;

pub(super) async fn pause(
    gateway: &Gateway,
    caller: &Caller,
    request: &proto::PauseSubscriptionRequest,
) -> Result<proto::Subscription, Refused> {
    let overview = gateway.pause_subscription(caller, &request.name, reason(&request.reason)?).await?;
    Ok(feed_events::subscription(&overview))
}

pub(super) async fn resume(
    gateway: &Gateway,
    caller: &Caller,
    request: &proto::ResumeSubscriptionRequest,
) -> Result<proto::Subscription, Refused> {
    let overview = gateway.resume_subscription(caller, &request.name, reason(&request.reason)?).await?;
    Ok(feed_events::subscription(&overview))
}

pub(super) async fn seek(
    gateway: &Gateway,
    caller: &Caller,
    request: &proto::SeekRequest,
) -> Result<proto::SeekResponse, Refused> {
    let to = target(request.to.as_ref())?;
    let sought = gateway.seek(caller, &request.name, to, reason(&request.reason)?).await?;
    Ok(feed_events::sought(&sought))
}

pub(super) async fn update(
    gateway: &Gateway,
    caller: &Caller,
    request: &proto::UpdateSubscriptionRequest,
) -> Result<proto::Subscription, Refused> {
    if request.settings_revision == 0 {
        return Err(Refused::field(
            "settings_revision",
            "REVISION_REQUIRED",
            "须给出所读到的设置版本（settings_revision），以免覆盖他人的更改",
            "name the revision of the settings that was read, so that nobody's change is overwritten",
        ));
    }
    let mut findings = Findings::default();
    let settings = wire::subscription::read_update(request.settings.as_ref(), &mut findings);
    if !findings.is_clean() {
        return Err(Refused::invalid(findings.violations));
    }
    let why = reason(&request.reason)?;
    let overview = gateway.update_subscription(caller, &request.name, request.settings_revision, settings, why).await?;
    Ok(feed_events::subscription(&overview))
}

/// Where a seek goes. Unlike a start nothing is assumed: an empty request would send everything again.
fn target(to: Option<&proto::SeekTo>) -> Result<SeekTo, Refused> {
    Ok(match to.and_then(|to| to.to.as_ref()) {
        Some(To::Earliest(true)) => SeekTo::Earliest,
        Some(To::Latest(true)) => SeekTo::Latest,
        Some(To::Snapshot(true)) => SeekTo::Snapshot,
        Some(To::TimeUs(time)) if *time > 0 => SeekTo::Time(*time),
        Some(To::Cursor(cursor)) => SeekTo::Cursor(Cursor {
            ledger_id: cursor.ledger_id.clone(),
            generation: cursor.generation,
            position: cursor.position,
        }),
        _ => {
            return Err(Refused::field(
                "to",
                "TARGET_REQUIRED",
                "须指明定位到何处：earliest、latest、snapshot（取值 true）、cursor 或 time_us 之一",
                "say where to: one of earliest, latest, snapshot (set to true), cursor, time_us",
            ));
        }
    })
}

fn reason(reason: &str) -> Result<&str, Refused> {
    if reason.chars().count() <= MAX_REASON {
        return Ok(reason.trim());
    }
    Err(Refused::field("reason", "TOO_LONG", "最多 500 个字符", "at most 500 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seek_names_its_target() {
        for to in [None, Some(To::Earliest(false)), Some(To::Latest(false)), Some(To::Snapshot(false)), Some(To::TimeUs(0))] {
            let refused = target(Some(&proto::SeekTo { to })).expect_err("nothing is assumed");
            assert_eq!(refused.violations[0].reason, "TARGET_REQUIRED");
        }
        assert_eq!(target(Some(&proto::SeekTo { to: Some(To::Snapshot(true)) })), Ok(SeekTo::Snapshot));
        assert!(target(None).is_err());
    }

    #[test]
    fn reasons_are_short() {
        assert_eq!(reason(" 停机 "), Ok("停机"));
        assert!(reason(&"字".repeat(MAX_REASON)).is_ok() && reason(&"字".repeat(MAX_REASON + 1)).is_err());
    }
}
