//! Configuration: one file, overridden by the environment, checked whole before anything starts.
//!
//! `tongbao.default.toml` is the defaults and their documentation; a test holds it equal to [`Config::default`]. Unknown keys
//! are refused, every error names its place and what to do, and what passes is already in the domain's own terms.

mod bounds;
mod deadlines;
mod entries;
mod environment;
mod error;
mod file;
mod participants;
mod place;
mod screening;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use entries::{GrantEntry, ParticipantEntry, SystemEntry};
pub use error::{ConfigError, Fault};
pub use file::{
    AnnouncementRow, Competence, Config, DeadlinesSection, DomainSection, EvidenceSection, FeedSection, FeedsSection, HsPrefix,
    LimitsSection, LogForm, ScreeningSection, ServerSection, StoreSection, TelemetrySection, TlsSection, TokensSection,
};

use crate::domain::{
    deadlines::Deadlines,
    feeds::Feed,
    grants::Register,
    ids::Micros,
    screening::ScreeningPolicy,
    violation::{Findings, Violation},
};

/// The commented default file.
pub const DEFAULT_FILE: &str = include_str!("../../tongbao.default.toml");

/// A configuration that was checked, with what it says in the domain's terms.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The settings, paths resolved against the file's folder.
    pub config: Config,
    /// Participants, systems, policies, grants.
    pub register: Register,
    /// How declarations are screened.
    pub screening: ScreeningPolicy,
    /// How long each duty may take.
    pub deadlines: Deadlines,
    /// Age from which each feed is stale.
    pub freshness: Vec<(Feed, Micros)>,
}

/// Loads a file (without one: the defaults), applies the environment, and checks the whole.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(path: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Checked, ConfigError> {
    let text = match path {
        None => String::new(),
        Some(path) => fs::read_to_string(path).map_err(|source| ConfigError::unreadable(path, &source))?,
    };
    let folder = path.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_owned);
    parse(&text, &folder, environment).map_err(|faults| ConfigError { path: path.map(Path::to_owned), faults })
}

/// Parses and checks the text of a file whose relative paths are relative to `folder`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(text: &str, folder: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Checked, Vec<Fault>> {
    let config: Config = toml::from_str(text).map_err(|error| vec![Fault::of_toml(text, &error)])?;
    let mut config = environment::apply(config, environment)?;
    config.resolve_paths(folder);
    check(config).map_err(|violations| violations.into_iter().map(|violation| Fault::of_violation(text, violation)).collect())
}

/// Checks settings and puts them into the domain's terms.
///
/// # Errors
/// Everything that is wrong, each with the path of its key.
pub fn check(config: Config) -> Result<Checked, Vec<Violation>> {
    let mut findings = Findings::default();
    bounds::check(&config, &mut findings);
    let screening = screening::policy(&config.screening, &mut findings);
    let deadlines = deadlines::deadlines(&config.deadlines, &mut findings);
    let register = participants::register(&config, &mut findings);
    let freshness = config.feeds.each().map(|(feed, section)| (feed, section.freshness_micros())).to_vec();
    match register {
        Some(register) if findings.is_clean() => Ok(Checked { config, register, screening, deadlines, freshness }),
        _ => Err(findings.violations),
    }
}

#[cfg(test)]
mod tests;
