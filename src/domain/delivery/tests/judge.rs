//! The reference's judgement of settles: what they are answered, and what is kept of them.

use super::{
    checker::{Asked, Breach, Checker, Fate, Judged, Known, holds},
    *,
};

const MILLI: Micros = 1_000;

/// Shortest and longest delay after the n-th failure: 1 s doubled each time up to 10 min, ±20 %.
fn backoff(failures: u32) -> (Micros, Micros) {
    let plain = (1_000_i64 << failures.saturating_sub(1).min(20)).min(600_000) * MILLI;
    (plain / 10 * 8, plain / 10 * 12)
}

impl Checker {
    /// Items that were asked under the token that is out and are not answered.
    fn asked_now<'a>(&'a self, known: &'a Known, position: Position) -> impl Iterator<Item = &'a Verb> {
        let items = self.asked.values().flatten().map(|asked| &asked.item);
        let token = known.out.map(|(token, ..)| token);
        items.filter(move |item| item.position == position && Some(item.token) == token).map(|item| &item.verb)
    }

    /// A failure is counted when the consumer said so, its lease was over, or its session went with this one alone.
    fn has_failed(&self, position: Position, row: &Attempt) -> Result<bool, (Breach, Position)> {
        let Some(known) = self.known.get(&position) else { return Err((Breach::SentUnknown, position)) };
        let Some((_, expires, _)) = known.out else { return Ok(false) };
        Ok(match row.reason.as_str() {
            "lease_expired" => row.ended_at >= expires,
            "session_lost" => self.known.values().filter(|other| other.out.is_some()).count() == 1,
            reason => {
                self.asked_now(known, position).any(|verb| matches!(verb, Verb::Retry { reason: asked, .. } if asked == reason))
            }
        })
    }

    pub(super) fn kept(&mut self, at: Micros, tally: &Tally, rows: &[RetryRow]) -> Judged {
        for position in &tally.dead {
            self.died(*position)?;
        }
        for position in &tally.retried {
            let row = rows.iter().find(|row| row.position == *position).ok_or((Breach::RetryLost, *position))?;
            self.retried(*position, row)?;
        }
        for position in &tally.acked {
            self.settled(*position, |verb| *verb == Verb::Ack)?;
            self.become_of(*position, Fate::Acked);
        }
        for position in &tally.released {
            self.settled(*position, |verb| *verb == Verb::Release)?;
            self.take(*position);
            if let Some(known) = self.known.get_mut(position) {
                known.rests_until = at + 100 * MILLI;
            }
        }
        for position in tally.retried.iter().chain(&tally.dead).chain(&tally.suspected) {
            // What stood behind it is read again later.
            let key = self.known.get(position).map(|known| known.key.clone());
            self.rest_no_more(|other, of| other >= *position && Some(of) == key.as_deref());
        }
        for position in &tally.suspected {
            let known = self.known.get_mut(position).filter(|known| known.out.is_some() && known.fate == Fate::Pending);
            let known = known.ok_or((Breach::CountedWithoutCause, *position))?;
            (known.suspect, known.out) = (true, None);
        }
        for position in &tally.acked {
            // What is finished by the same change is finished.
            holds(self.before(*position).is_empty(), Breach::SettledOutOfOrder, *position)?;
        }
        for position in &tally.redriven {
            if let Some(known) = self.known.get_mut(position).filter(|known| known.fate == Fate::Dead) {
                (known.fate, known.redriven, known.suspect) = (Fate::Pending, true, false);
                (known.failures, known.due) = (0, Micros::MIN);
            }
        }
        for position in &tally.discarded {
            self.become_of(*position, Fate::Discarded);
        }
        Ok(())
    }

    /// Settled by its consumer, under the token that is out.
    fn settled(&self, position: Position, verb: impl Fn(&Verb) -> bool) -> Judged {
        let known = self.known.get(&position).ok_or((Breach::SentUnknown, position))?;
        let fits = known.fate == Fate::Pending && self.asked_now(known, position).any(verb);
        holds(fits, Breach::SettledWithoutLease, position)
    }

    /// The token that is out is used up.
    fn take(&mut self, position: Position) {
        let token = self.known.get_mut(&position).and_then(|known| known.out.take());
        self.taken.extend(token.map(|(token, ..)| token));
    }

    fn become_of(&mut self, position: Position, fate: Fate) {
        self.take(position);
        if let Some(known) = self.known.get_mut(&position) {
            known.fate = fate;
        }
    }

    fn died(&mut self, position: Position) -> Judged {
        let known = self.known.get(&position).ok_or((Breach::SentUnknown, position))?;
        holds(known.fate == Fate::Pending && known.out.is_some(), Breach::CountedWithoutCause, position)?;
        let mut asked = self.asked_now(known, position);
        let said = asked.any(|verb| match verb {
            Verb::Reject { .. } => true,
            Verb::Retry { reason, .. } => reason == "bad_data",
            _ => false,
        });
        drop(asked);
        holds(said || known.failures + 1 >= self.rules.max_attempts, Breach::DeadTooEarly, position)?;
        self.become_of(position, Fate::Dead);
        Ok(())
    }

    fn retried(&mut self, position: Position, row: &RetryRow) -> Judged {
        let failure = row.history.last().ok_or((Breach::CountedWithoutCause, position))?;
        holds(self.has_failed(position, failure)?, Breach::CountedWithoutCause, position)?;
        let Some(known) = self.known.get(&position) else { return Err((Breach::SentUnknown, position)) };
        let failures = known.failures + 1;
        holds(row.failures == failures, Breach::WrongAttempt, position)?;
        let (least, most) = backoff(failures);
        let delay = row.due - failure.ended_at;
        let asked_for = self.asked_now(known, position).any(|verb| {
            matches!(verb, Verb::Retry { delay_ms, .. } if *delay_ms > 0 && Micros::try_from(*delay_ms).is_ok_and(|ms| ms * MILLI == delay))
        });
        holds(asked_for || (least..=most).contains(&delay), Breach::DueTooEarly, position)?;
        let suspect = match failure.reason.as_str() {
            "session_lost" => true,
            "lease_expired" => known.suspect,
            _ => false,
        };
        self.take(position);
        if let Some(known) = self.known.get_mut(&position) {
            (known.failures, known.due, known.suspect) = (failures, row.due, suspect);
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, request: u64, item: SettledItem) -> Judged {
        let position = item.position;
        let queue = self.asked.get_mut(&request).ok_or((Breach::AnsweredUnasked, position))?;
        let asked = queue.pop_front().filter(|asked| asked.item.position == position);
        let asked = asked.ok_or((Breach::AnsweredUnasked, position))?;
        if queue.is_empty() {
            self.asked.remove(&request);
        }
        self.judge(&asked, item.result)
    }

    fn judge(&self, asked: &Asked, result: SettleResult) -> Judged {
        let Asked { item: Settlement { position, token, verb }, stood, behind } = asked;
        let known = self.known.get(position);
        let fate = known.map_or(Fate::Pending, |known| known.fate);
        let is_out = known.and_then(|known| known.out).is_some_and(|(out, ..)| out == *token);
        match (result, verb) {
            (SettleResult::Ok, Verb::Ack) => {
                holds(matches!(fate, Fate::Acked | Fate::Discarded), Breach::AnsweredBeforeKept, *position)
            }
            (SettleResult::Ok, Verb::Reject { .. }) => holds(fate == Fate::Dead, Breach::AnsweredBeforeKept, *position),
            (SettleResult::Ok, Verb::Retry { .. }) => holds(self.taken.contains(token), Breach::RetryLost, *position),
            (SettleResult::Ok, Verb::Release) => holds(self.taken.contains(token), Breach::ReleaseLost, *position),
            (SettleResult::Stale, verb) => {
                let denied = *verb == Verb::Ack && *stood == Fate::Acked;
                holds(!denied, Breach::AckDenied, *position)?;
                let denied = matches!(verb, Verb::Reject { .. }) && *stood == Fate::Dead && fate == Fate::Dead;
                holds(!denied, Breach::AckDenied, *position)?;
                holds(self.leaving || !is_out, Breach::NewestTokenRefused, *position)
            }
            (SettleResult::OutOfOrder, _) => holds(*behind, Breach::FalselyOutOfOrder, *position),
            (SettleResult::Unknown, _) => holds(!self.was_sent(*token), Breach::FalselyUnknown, *position),
            (SettleResult::Ok | SettleResult::Retryable, _) => Ok(()),
        }
    }
}
