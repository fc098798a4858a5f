//! One position on its way, as far as the events tell.

use super::{
    events::{Said, Sent, Token},
    ledger::Stand,
};

/// Where it is for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Never delivered.
    Fresh,
    /// Was delivered; that sending is void, another must come.
    Void,
    /// At the consumer.
    Out(Token),
    /// A retry of it was confirmed.
    Retrying,
    /// An ack was confirmed.
    Acked,
    /// A reject was confirmed, or its attempts are used up.
    Dead,
    /// A seek passed over it.
    Passed,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that may be known of it, whatever the others are")]
pub struct Track {
    pub fate: Fate,
    /// Failures counted for certain.
    failures: u32,
    /// A failure that may have been counted beside: it was out when a consumer broke off.
    slack: u32,
    /// It came, in this life, by a redrive: exempt from order.
    pub redriven: bool,
    /// A redrive was asked for and it has not come since.
    pub redrive_asked: bool,
    /// The place was moved since that redrive was asked for: what it had put back is forgotten.
    moved: bool,
    /// A redrive was confirmed and it has not come since.
    owed: bool,
    /// It may have been a dead letter when the place was moved, and then it is one still.
    perhaps_dead: bool,
    /// Said of the present sending and not answered yet: request, what.
    said: Vec<(u64, Said)>,
    newest: Token,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            fate: Fate::Fresh,
            failures: 0,
            slack: 0,
            redriven: false,
            redrive_asked: false,
            moved: false,
            owed: false,
            perhaps_dead: false,
            said: Vec::new(),
            newest: (0, 0),
        }
    }
}

impl Track {
    pub fn is_over(&self) -> bool {
        matches!(self.fate, Fate::Acked | Fate::Dead | Fate::Passed)
    }

    fn is_said(&self, what: Said) -> bool {
        self.said.iter().any(|(_, said)| *said == what)
    }

    fn may_be_dead(&self, max_attempts: u32) -> bool {
        self.perhaps_dead || self.is_said(Said::Reject) || self.most_failures() >= max_attempts
    }

    /// What was said of it and not answered may have ended it.
    pub fn may_be_over(&self, max_attempts: u32) -> bool {
        self.is_over() || self.is_said(Said::Ack) || self.may_be_dead(max_attempts)
    }

    fn most_failures(&self) -> u32 {
        self.failures + self.slack + self.said.iter().filter(|(_, said)| *said == Said::Retry).count() as u32
    }

    fn is_possible(&self, attempt: u32) -> bool {
        (self.failures + 1..=self.most_failures() + 1).contains(&attempt)
    }

    /// Another session is attached.
    pub fn void(&mut self) {
        if matches!(self.fate, Fate::Out(_)) {
            self.fate = Fate::Void;
        }
    }

    pub fn broke_off(&mut self) {
        if !self.is_over() {
            self.slack = 1;
        }
    }

    pub fn lease_lost(&mut self, token: Token, expired: bool) {
        if self.fate == Fate::Out(token) {
            self.fate = Fate::Void;
            self.failures += u32::from(expired);
        }
    }

    pub fn ask(&mut self, request: u64, said: Said) {
        self.said.push((request, said));
    }

    /// A redrive of it is asked for.
    pub fn ask_back(&mut self) {
        (self.redrive_asked, self.moved) = (true, false);
    }

    pub fn redrive_confirmed(&mut self) {
        self.owed = self.redrive_asked && !self.moved;
    }

    /// The place of the subscription was moved: `again` = to before this position. Dead letters stay; whatever else became of it
    /// comes again from the first attempt, or is passed.
    pub fn sought(&mut self, again: bool, max_attempts: u32) {
        let is_dead = self.fate == Fate::Dead && !self.redrive_asked;
        if !is_dead {
            let may_be_dead = if self.is_over() { self.fate == Fate::Dead } else { self.may_be_dead(max_attempts) };
            self.perhaps_dead = (self.perhaps_dead || may_be_dead) && !self.owed;
            self.fate = if again { Fate::Void } else { Fate::Passed };
            (self.failures, self.slack, self.redriven) = (0, 0, false);
            self.said.clear();
        }
        (self.owed, self.moved) = (false, true);
    }

    /// It came. What is wrong with that.
    pub fn deliver(&mut self, sent: &Sent) -> Result<(), String> {
        let reborn = sent.redriven && self.redrive_asked && sent.attempt == 1;
        let must_be_reborn = self.is_over() || (sent.redriven && !self.redriven);
        let fits = if must_be_reborn { reborn } else { reborn || self.is_possible(sent.attempt) };
        let wrong = if sent.token < self.newest {
            Some(format!("under the token {:?} after {:?}", sent.token, self.newest))
        } else if fits {
            None
        } else if self.is_over() {
            Some(format!("again (attempt {}) after it was confirmed {:?}", sent.attempt, self.fate))
        } else if must_be_reborn {
            Some("as redriven, and nobody asked for that".to_owned())
        } else {
            let (least, most) = (self.failures + 1, self.most_failures() + 1);
            Some(format!("as attempt {}, it is {least} (at most {most})", sent.attempt))
        };
        if must_be_reborn {
            (self.redriven, self.redrive_asked) = (sent.redriven, false);
        }
        if sent.token != self.newest {
            self.said.clear();
        }
        (self.failures, self.slack, self.newest) = (sent.attempt.saturating_sub(1), 0, sent.token);
        (self.owed, self.perhaps_dead) = (false, false);
        self.fate = Fate::Out(sent.token);
        wrong.map_or(Ok(()), Err)
    }

    /// The item of a request was answered without `OK`: nothing was changed by it, or it is unknown (`RETRYABLE`).
    pub fn not_settled(&mut self, request: u64, is_unknown: bool) {
        if !is_unknown {
            self.said.retain(|(asked, _)| *asked != request);
        }
    }

    /// It was answered with `OK`. What is wrong with that.
    pub fn settle(&mut self, request: u64, token: Token, said: Said, max_attempts: u32) -> Result<(), String> {
        let stands_already = matches!((self.fate, said), (Fate::Acked, Said::Ack) | (Fate::Dead, Said::Reject));
        self.said.retain(|(asked, _)| *asked != request);
        if stands_already {
            return Ok(());
        }
        let wrong = match self.fate {
            Fate::Out(out) if out == token => None,
            // Taken back in the same breath, since one ahead of it failed: given back either way.
            Fate::Void if said == Said::Release && token == self.newest => None,
            before => Some(format!("{said:?} under {token:?} was OK, and it was {before:?}")),
        };
        self.fate = match said {
            Said::Ack => Fate::Acked,
            Said::Reject => Fate::Dead,
            Said::Release => Fate::Void,
            Said::Retry => {
                self.failures += 1;
                if self.failures >= max_attempts { Fate::Dead } else { Fate::Retrying }
            }
        };
        wrong.map_or(Ok(()), Err)
    }

    /// Whether it may stand so at last.
    pub fn end(&self, stand: Stand, max_attempts: u32) -> Result<(), String> {
        let fits = match stand {
            Stand::Done => matches!(self.fate, Fate::Acked | Fate::Passed) || self.is_said(Said::Ack),
            Stand::Dead => {
                let may_be = self.perhaps_dead || !self.is_over() && self.may_be_dead(max_attempts);
                !self.owed && (self.fate == Fate::Dead || may_be)
            }
            Stand::Waiting { attempt } => match self.fate {
                Fate::Acked => false,
                Fate::Dead | Fate::Passed => self.redrive_asked && attempt == 1,
                _ => self.is_possible(attempt) || self.redrive_asked && attempt == 1,
            },
            Stand::ToCome => !self.is_over() && self.failures == 0,
        };
        if fits {
            return Ok(());
        }
        let owed = if self.owed { ", redriven" } else { "" };
        Err(format!("stands {stand:?}; what was confirmed: {:?}{owed}, {} failures", self.fate, self.failures))
    }
}
