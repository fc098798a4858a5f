//! Subscriptions: making, reading, listing, deleting.

use super::{Caller, Class, Gateway, Refused, gateway::unexpected, standing::refuse_reserved, subscribe::Overview};
use crate::domain::{
    delivery::{StartAt, SubscriptionKey, SubscriptionRow, SubscriptionSpec},
    evidence::{ActKind, commitment},
    feeds::Feed,
    grants::Action,
    ledger::{Change, Outcome, Refusal},
};

/// Most subscriptions named on one page.
pub const MAX_PAGE: usize = 1_000;

impl Gateway {
    /// Makes a subscription. The same name with the same settings is answered with the standing one.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `ALREADY_EXISTS`, `OUT_OF_RANGE` for a start that lies ahead, `UNAVAILABLE`.
    pub async fn create_subscription(&self, caller: &Caller, name: &str, spec: SubscriptionSpec) -> Result<Overview, Refused> {
        let key = key_of(caller, name)?;
        refuse_reserved(name)?;
        self.make_subscription(caller, key, spec).await
    }

    pub(super) async fn make_subscription(
        &self,
        caller: &Caller,
        key: SubscriptionKey,
        spec: SubscriptionSpec,
    ) -> Result<Overview, Refused> {
        let name = key.name.as_str();
        self.permit_subscription(caller, &spec)?;
        if let Some(standing) = self.store.subscription(&key).await? {
            if standing.row.spec != spec {
                return Err(already_exists(name));
            }
            return self.overview(&key).await;
        }
        let (start_floor, snapshot_at) = self.resolve_start(spec.start).await?;
        let mut evidence = Self::evidence_of(caller, ActKind::Subscription);
        name.clone_into(&mut evidence.subscription);
        evidence.feeds.clone_from(&spec.filter.feeds);
        evidence.subjects = vec!["create".to_owned()];
        if !spec.purpose.is_empty() {
            evidence.commitment = Some(commitment(&self.world.random(), &spec.purpose));
        }
        let row = SubscriptionRow { key: key.clone(), spec, created_at: self.world.clock.now(), start_floor, snapshot_at };
        match self.act(Change::CreateSubscription(Box::new(row)), evidence).await?.outcome {
            Outcome::Done { .. } | Outcome::Unchanged => self.overview(&key).await,
            Outcome::Refused(Refusal::AlreadyExists) => Err(already_exists(name)),
            other => Err(unexpected("create subscription", &other)),
        }
    }

    /// A subscription of the caller's participant with its state.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn get_subscription(&self, caller: &Caller, name: &str) -> Result<Overview, Refused> {
        self.ensure_standing(caller, name).await?;
        self.overview(&key_of(caller, name)?).await
    }

    /// Subscriptions of the caller's participant by name, and the name to go on after if there are more.
    ///
    /// # Errors
    /// `UNAVAILABLE`.
    pub async fn list_subscriptions(
        &self,
        caller: &Caller,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Overview>, Option<String>), Refused> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut names = self.store.subscription_names(caller.participant(), after, limit + 1).await?;
        let more = names.len() > limit;
        names.truncate(limit);
        let next = if more { names.last().cloned() } else { None };
        let mut overviews = Vec::with_capacity(names.len());
        for name in &names {
            overviews.push(self.overview(&key_of(caller, name)?).await?);
        }
        Ok((overviews, next))
    }

    /// Deletes a subscription with everything of it; an attached consumer is sent away.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn delete_subscription(&self, caller: &Caller, name: &str) -> Result<(), Refused> {
        let key = key_of(caller, name)?;
        refuse_reserved(name)?;
        self.hosts.delete(&key).await;
        let mut evidence = Self::evidence_of(caller, ActKind::Subscription);
        name.clone_into(&mut evidence.subscription);
        evidence.subjects = vec!["delete".to_owned()];
        match self.act(Change::DeleteSubscription(key), evidence).await?.outcome {
            Outcome::Done { .. } => Ok(()),
            Outcome::Refused(Refusal::NotFound) => Err(not_found(name)),
            other => Err(unexpected("delete subscription", &other)),
        }
    }

    /// Refuses a subscription that could never deliver: no named feed, or none at all, is granted; a purpose is missing.
    pub(super) fn permit_subscription(&self, caller: &Caller, spec: &SubscriptionSpec) -> Result<(), Refused> {
        let named = !spec.filter.feeds.is_empty();
        let feeds: &[Feed] = if named { &spec.filter.feeds } else { &Feed::ALL };
        let mut granted = 0;
        let mut refusal = None;
        for feed in feeds {
            match self.permit(caller, Action::Subscribe, *feed) {
                Ok(permit) if permit.purpose_required() && spec.purpose.is_empty() => {
                    let name = feed.name();
                    return Err(Refused::field(
                        "settings.purpose",
                        "PURPOSE_REQUIRED",
                        format!("订阅 {name} 须说明用途（settings.purpose）"),
                        format!("feed {name} asks for a purpose: fill settings.purpose"),
                    ));
                }
                Ok(_) => granted += 1,
                Err(denied) if named => return Err(denied),
                Err(denied) => refusal = Some(denied),
            }
        }
        match refusal {
            Some(denied) if granted == 0 => Err(denied),
            _ => Ok(()),
        }
    }

    /// The floor and snapshot position that a start means now.
    pub(super) async fn resolve_start(&self, start: StartAt) -> Result<(u64, u64), Refused> {
        let head = self.tail.position();
        Ok(match start {
            StartAt::Earliest => (0, 0),
            StartAt::Latest => (head, 0),
            StartAt::Snapshot => (0, head),
            StartAt::Time(time) => (self.store.position_at(time.saturating_sub(1)).await?, 0),
            StartAt::Position(position) if (1..=head + 1).contains(&position) => (position - 1, 0),
            StartAt::Position(position) => {
                return Err(Refused::new(
                    Class::OutOfRange,
                    "POSITION_OUT_OF_RANGE",
                    format!("起始位置 {position} 不在 1 至 {} 之间", head + 1),
                    format!("start position {position} is not within 1 and {}", head + 1),
                ));
            }
        })
    }
}

/// The key of a subscription of the caller's participant.
pub(super) fn key_of(caller: &Caller, name: &str) -> Result<SubscriptionKey, Refused> {
    let well_formed = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !well_formed {
        return Err(Refused::field(
            "name",
            "MALFORMED_NAME",
            "订阅名须为 1 至 64 个 a-z、0-9 或 - 字符",
            "a subscription's name has 1 to 64 characters of a-z, 0-9 and -",
        ));
    }
    Ok(SubscriptionKey { participant: caller.participant().clone(), name: name.to_owned() })
}

/// No subscription of that name.
pub(super) fn not_found(name: &str) -> Refused {
    Refused::new(
        Class::NotFound,
        "SUBSCRIPTION_NOT_FOUND",
        format!("没有名为 {name} 的订阅：先用 CreateSubscription 建立"),
        format!("there is no subscription {name}: make it with CreateSubscription"),
    )
}

fn already_exists(name: &str) -> Refused {
    Refused::new(
        Class::AlreadyExists,
        "SUBSCRIPTION_EXISTS",
        format!("订阅 {name} 已存在且设置不同：换一个名称，或先删除它"),
        format!("subscription {name} stands with other settings: take another name, or delete it first"),
    )
}
