//! What the demonstration tells: steps with their facts, and whether each held.

use std::time::Duration;

use serde::Serialize;

use crate::cli::Context;

/// One step as it went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    /// `a` to `f`, as in the text of the demonstration.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) title: String,
    /// It held.
    pub(super) ok: bool,
    /// What was seen.
    pub(super) facts: Vec<String>,
    /// What did not hold.
    pub(super) failures: Vec<String>,
    /// Milliseconds it took.
    pub(super) took_ms: u64,
}

/// Tells a step as it goes.
pub(super) struct Telling<'a> {
    context: &'a Context,
    step: Step,
    started: Duration,
}

impl<'a> Telling<'a> {
    /// Begins a step.
    pub(super) fn begin(context: &'a Context, id: &'static str, zh: &str, en: &str) -> Self {
        let title = context.say(zh, en).to_owned();
        if !context.json() {
            context.note(&format!("\n({id}) {title}"));
        }
        let step = Step { id, title, ok: true, facts: Vec::new(), failures: Vec::new(), took_ms: 0 };
        Self { context, step, started: context.world.clock.monotonic() }
    }

    /// Tells something that was seen.
    pub(super) fn saw(&mut self, zh: impl Into<String>, en: impl Into<String>) {
        let fact = self.context.say(&zh.into(), &en.into()).to_owned();
        if !self.context.json() {
            self.context.note(&format!("    {fact}"));
        }
        self.step.facts.push(fact);
    }

    /// Requires something: what does not hold makes the demonstration fail.
    pub(super) fn require(&mut self, holds: bool, zh: impl Into<String>, en: impl Into<String>) {
        let what = self.context.say(&zh.into(), &en.into()).to_owned();
        let mark = if holds { "✓" } else { "✗" };
        if !self.context.json() {
            self.context.note(&format!("  {mark} {what}"));
        }
        if holds {
            self.step.facts.push(what);
        } else {
            self.step.ok = false;
            self.step.failures.push(what);
        }
    }

    /// Ends the step.
    pub(super) fn end(mut self) -> Step {
        let took = self.context.world.clock.monotonic().saturating_sub(self.started);
        self.step.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.step
    }

    /// Ends the step with an error that stopped it.
    pub(super) fn stopped(mut self, error: &crate::cli::Failure) -> Step {
        let words = format!("{} [{}]", error.text.get(self.context.lang), error.reason);
        self.require(false, words.clone(), words);
        self.end()
    }
}
