//! What a command is given: the global flags, time and randomness, and where its answer goes.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde::Serialize;

use super::{Exit, Failure, Global};
use crate::{clock::World, domain::violation::Lang};

/// What a command is given.
#[derive(Clone)]
pub struct Context {
    /// Language of messages.
    pub lang: Lang,
    /// The global flags as given.
    pub global: Global,
    /// Time and randomness.
    pub world: World,
}

impl Context {
    /// The context of this process.
    pub fn new(global: Global) -> Self {
        let lang = global.lang.map_or_else(lang_of_locale, Lang::from);
        Self { lang, global, world: World::real() }
    }

    /// True when one JSON document is wanted.
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// True when a person watches: progress bars are welcome.
    pub fn is_watched(&self) -> bool {
        !self.global.json && io::stderr().is_terminal()
    }

    /// One of two wordings.
    pub fn say<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// Gives the answer: `value` as JSON, or the text made for people.
    ///
    /// # Errors
    /// When standard output cannot be written. A reader that went away (`| head`) is no failure.
    pub fn answer<T: Serialize + ?Sized>(&self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.global.json {
            // Written as it is made: an answer may be larger than memory should be.
            let mut out = io::BufWriter::new(io::stdout().lock());
            return match serde_json::to_writer_pretty(&mut out, value) {
                Err(error) if !error.is_io() => Err(Failure::new(Exit::Failed, "NOT_JSON", error.to_string(), error.to_string())),
                written => written_out(written.map_err(io::Error::from).and_then(|()| writeln!(out)).and_then(|()| out.flush())),
            };
        }
        let mut text = text();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.write(&text)
    }

    /// Writes to standard output as it stands.
    ///
    /// # Errors
    /// When standard output cannot be written. A reader that went away (`| head`) is no failure.
    pub fn write(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        written_out(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Tells a person something beside the answer, on standard error.
    pub fn note(&self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Reports a failure (JSON on standard output with `--json`, else words on standard error) and returns the exit code.
    pub fn fail(&self, failure: &Failure) -> Exit {
        if failure.told {
            return failure.exit;
        }
        if self.global.json {
            let violations: Vec<_> = failure
                .violations
                .iter()
                .map(|v| serde_json::json!({ "field": v.field, "reason": v.reason, "zh": v.text.zh, "en": v.text.en }))
                .collect();
            let error = serde_json::json!({
                "error": {
                    "reason": failure.reason,
                    "zh": failure.text.zh,
                    "en": failure.text.en,
                    "exit": failure.exit as u8,
                    "violations": violations,
                }
            });
            let _ = self.write(&format!("{error:#}\n"));
            return failure.exit;
        }
        let mut text = format!("{}: {} [{}]", self.say("错误", "error"), failure.text.get(self.lang), failure.reason);
        for violation in &failure.violations {
            let _ = write!(text, "\n  {}: {} [{}]", violation.field, violation.text.get(self.lang), violation.reason);
        }
        self.note(&text);
        failure.exit
    }
}

/// A reader that went away (`| head`) is no failure.
fn written_out(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Chinese, unless the locale says English: clerks read the messages, and servers often run in the locale `C`.
fn lang_of_locale() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|locale| locale.starts_with("en")) { Lang::En } else { Lang::Zh }
}
