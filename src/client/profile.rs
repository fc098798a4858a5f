//! A profile: where the gateway is and who we are, in one small TOML file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::domain::violation::{Lang, Text};

/// Port used when the endpoint names none.
const DEFAULT_PORT: u16 = 7443;
/// Name looked for when none is given.
const DEFAULT_NAME: &str = "client";

/// Where the gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Where the gateway is and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The file it was read from; empty when made in memory.
    pub source: PathBuf,
    /// Where the gateway listens.
    pub place: Place,
    /// Name that the gateway's certificate must carry; by default the host.
    pub server_name: String,
    /// Certificates of the authorities that the gateway's certificate may come from, PEM.
    pub ca: PathBuf,
    /// Our certificate chain, PEM, leaf first.
    pub cert: PathBuf,
    /// Our private key, PEM.
    pub key: PathBuf,
    /// File with an operator token; needed for evidence and administration only.
    pub token_file: Option<PathBuf>,
    /// Language of messages; `None` = that of the locale.
    pub lang: Option<Lang>,
}

/// Why no profile could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// None of the places had it.
    #[error("no profile `{name}`; looked at {}", places(looked))]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The file could not be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file is not a profile.
    #[error("{}:{line}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

fn places(looked: &[PathBuf]) -> String {
    looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ProfileError {
    /// What is wrong and what to do.
    pub fn text(&self) -> Text {
        match self {
            Self::NotFound { name, looked } => Text::new(
                format!("找不到配置档“{name}”；已查找：{}。请新建该文件，或用 --profile 指明路径", places(looked)),
                format!("no profile `{name}`; looked at {}. Write that file, or name a path with --profile", places(looked)),
            ),
            Self::Unreadable { path, why } => Text::new(
                format!("无法读取配置档 {}：{why}", path.display()),
                format!("cannot read the profile {}: {why}", path.display()),
            ),
            Self::Malformed { path, line, why } => Text::new(
                format!("配置档 {} 第 {line} 行：{why}", path.display()),
                format!("profile {}, line {line}: {why}", path.display()),
            ),
        }
    }
}

/// As written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    endpoint: toml::Spanned<String>,
    server_name: Option<String>,
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    token_file: Option<PathBuf>,
    lang: Option<LangToken>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LangToken {
    Zh,
    En,
}

impl Place {
    /// Parses `https://host:port`, `host:port` or `host`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// In words, when it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = || format!("`{text}` is not an endpoint (地址应为 https://主机:端口); write https://host:port");
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let (host, port) = match bare.strip_prefix('[').map(|inside| inside.split_once(']')) {
            Some(Some((host, after))) => {
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(rule)?) })
            }
            Some(None) => return Err(rule()),
            None => bare.split_once(':').map_or((bare, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| rule()))?;
        let place = Self { host: host.to_owned(), port };
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = rustls::pki_types::DnsName::try_from(host).is_ok() && !bare.starts_with('[');
        if is_address || is_name { Ok(place) } else { Err(rule()) }
    }

    /// As it stands in a URI.
    pub fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

impl Profile {
    /// Parses the text of a profile. Relative paths in it are relative to the folder of `source`.
    ///
    /// # Errors
    /// Naming the line, when it is not TOML, lacks a key, has an unknown one, or names no endpoint.
    pub fn parse(text: &str, source: &Path) -> Result<Self, ProfileError> {
        let malformed = |at: usize, why: String| ProfileError::Malformed {
            path: source.to_owned(),
            line: text.get(..at).unwrap_or(text).matches('\n').count() + 1,
            why,
        };
        let file: Written = toml::from_str(text)
            .map_err(|error| malformed(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        let start = file.endpoint.span().start;
        let place = Place::parse(file.endpoint.get_ref()).map_err(|why| malformed(start, why))?;
        let folder = source.parent().unwrap_or(Path::new(""));
        Ok(Self {
            source: source.to_owned(),
            server_name: file.server_name.unwrap_or_else(|| place.host.clone()),
            place,
            ca: folder.join(file.ca),
            cert: folder.join(file.cert),
            key: folder.join(file.key),
            token_file: file.token_file.map(|path| folder.join(path)),
            lang: file.lang.map(|token| match token {
                LangToken::Zh => Lang::Zh,
                LangToken::En => Lang::En,
            }),
        })
    }

    /// Reads the profile of that name, or the one called `client`.
    ///
    /// A name with a slash or ending in `.toml` is a path; another is looked for as `./NAME.toml`, then as
    /// `$XDG_CONFIG_HOME/tongbao/NAME.toml` (`~/.config` where that is not set).
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn load(name: Option<&str>) -> Result<Self, ProfileError> {
        let name = name.unwrap_or(DEFAULT_NAME);
        let looked = Self::candidates(name, config_home().as_deref());
        for path in &looked {
            match std::fs::read_to_string(path) {
                Ok(text) => return Self::parse(&text, path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(ProfileError::Unreadable { path: path.clone(), why: error.to_string() }),
            }
        }
        Err(ProfileError::NotFound { name: name.to_owned(), looked })
    }

    /// Where a profile of that name may be.
    pub fn candidates(name: &str, config_home: Option<&Path>) -> Vec<PathBuf> {
        if name.contains(std::path::MAIN_SEPARATOR) || Path::new(name).extension().is_some_and(|ext| ext == "toml") {
            return vec![PathBuf::from(name)];
        }
        let file = format!("{name}.toml");
        let mut looked = vec![Path::new(".").join(&file)];
        looked.extend(config_home.map(|home| home.join("tongbao").join(&file)));
        looked
    }
}

fn config_home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        "endpoint = \"https://gateway.example:7001\"\nca = \"ca.pem\"\ncert = \"/etc/a.pem\"\nkey = \"a.key\"\nlang = \"en\"\n";

    #[test]
    fn reads_a_profile_with_paths_beside_it() {
        let profile = Profile::parse(GOOD, Path::new("conf/customs.toml")).expect("good");
        assert_eq!(profile.place, Place { host: "gateway.example".into(), port: 7001 });
        assert_eq!(profile.server_name, "gateway.example");
        assert_eq!(profile.ca, Path::new("conf/ca.pem"));
        assert_eq!(profile.cert, Path::new("/etc/a.pem"));
        assert_eq!(profile.lang, Some(Lang::En));
    }

    #[test]
    fn names_the_line_of_what_is_wrong() {
        let line_of = |text: &str| match Profile::parse(text, Path::new("p.toml")) {
            Err(ProfileError::Malformed { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line_of(&GOOD.replace("lang", "langue")), 5);
        assert_eq!(line_of(&GOOD.replace("https://gateway.example:7001", "https://gateway.example:port")), 1);
        assert_eq!(line_of(&GOOD.replace("\"en\"", "\"fr\"")), 5);
        assert_eq!(line_of(&format!("{GOOD}=")), 6);
        let missing = Profile::parse(&GOOD.replace("key = \"a.key\"\n", ""), Path::new("p.toml")).expect_err("no key");
        assert!(missing.to_string().contains("key"), "{missing}");
    }

    #[test]
    fn understands_the_usual_ways_to_write_an_endpoint() {
        let place = |text: &str| Place::parse(text).map(|place| (place.host, place.port));
        assert_eq!(place("https://a.example:1/"), Ok(("a.example".into(), 1)));
        assert_eq!(place("a.example"), Ok(("a.example".into(), DEFAULT_PORT)));
        assert_eq!(place("[::1]:9"), Ok(("::1".into(), 9)));
        for bad in ["", "http://a.example:1", "https://", "a b", "a:70000", "a:", "user@host:1", "https://a:1/path"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn looks_beside_then_in_the_users_folder() {
        assert_eq!(Profile::candidates("x/y.toml", None), vec![PathBuf::from("x/y.toml")]);
        assert_eq!(
            Profile::candidates("customs", Some(Path::new("/home/a/.config"))),
            vec![PathBuf::from("./customs.toml"), PathBuf::from("/home/a/.config/tongbao/customs.toml")]
        );
        let error = Profile::load(Some("no-such-profile-anywhere")).expect_err("none");
        assert!(error.text().zh.contains("no-such-profile-anywhere.toml"));
    }

    proptest! {
        #[test]
        fn any_endpoint_read_is_written_back_the_same(text in "\\PC{0,40}") {
            if let Ok(place) = Place::parse(&text) {
                prop_assert_eq!(Place::parse(&place.authority()), Ok(place));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\PC|\n){0,200}") {
            let _ = Profile::parse(&text, Path::new("p.toml"));
        }
    }
}
