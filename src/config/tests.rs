use std::path::Path;

use super::*;
use crate::domain::{
    dates::CivilDate,
    feeds::SectionName,
    grants::{Action, FeedPolicy, ParticipantRole},
    ids::ParticipantId,
    screening::GoodsGate,
};

const NO_ENVIRONMENT: [(String, String); 0] = [];

fn read(text: &str) -> Result<Checked, Vec<Fault>> {
    parse(text, Path::new("/etc/tongbao"), NO_ENVIRONMENT)
}

fn faults(text: &str) -> Vec<(String, String, &'static str)> {
    let place = |fault: &Fault| fault.place.map_or_else(|| "-".to_owned(), |place| format!("{}:{}", place.line, place.column));
    let faults = read(text).expect_err("refused");
    faults.iter().map(|fault| (place(fault), fault.key.clone(), fault.reason)).collect()
}

fn with_environment(name: &str, value: &str) -> Result<Checked, Vec<Fault>> {
    parse("", Path::new(""), [(name.to_owned(), value.to_owned())])
}

#[test]
fn the_default_file_is_the_defaults() {
    let written: Config = toml::from_str(DEFAULT_FILE).expect("parses");
    assert_eq!(written, Config::default());
    let keys: toml::Table = DEFAULT_FILE.parse().expect("parses");
    let mut all = toml::Table::try_from(Config::default()).expect("a table");
    for commented in ["participants", "grants"] {
        all.remove(commented);
    }
    assert_eq!(keys, all, "a key is missing in the file");
}

#[test]
fn the_commented_examples_of_the_default_file_are_accepted() {
    let examples: String = DEFAULT_FILE
        .lines()
        .skip_while(|line| !line.starts_with("# Who takes part"))
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(['[', '=', ']', '{']) && !line.ends_with(':'))
        .map(|line| line.replace("<SHA-256 of the certificate, 64 hexadecimal digits>", &"ab".repeat(32)) + "\n")
        .collect();
    let checked = read(&examples).unwrap_or_else(|faults| panic!("{faults:#?}\n{examples}"));
    assert_eq!(checked.config.participants.len(), 1);
    assert_eq!(checked.config.grants.len(), 1);
}

#[test]
fn defaults_are_those_of_the_domain() {
    let checked = read("").expect("accepted");
    assert_eq!(checked.screening.goods, GoodsGate::default());
    for feed in Feed::ALL {
        assert_eq!(checked.register.policy(feed), Some(&FeedPolicy::standard(feed)));
    }
    let day = CivilDate::day(2020, 5, 1).expect("a day");
    assert!(checked.screening.regimes.in_force(day));
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file() {
    let checked = read("[store]\npath = \"/var/lib/tongbao/db\"").expect("accepted");
    assert_eq!(checked.config.store.path, Path::new("/var/lib/tongbao/db"));
    assert_eq!(checked.config.tls.key, Path::new("/etc/tongbao/certs/gateway/main.key"));
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\n\n[limits]\nmax_conections = 5\n";
    assert_eq!(faults(text), [("5:1".to_owned(), "max_conections".to_owned(), "UNKNOWN_KEY")]);
    let fault = read(text).expect_err("refused").remove(0);
    assert!(fault.text.en.contains("did you mean `max_connections`?"), "{}", fault.text.en);
    assert_eq!(faults("[sever]\n")[0].2, "UNKNOWN_KEY");
    assert_eq!(faults("[[participants]]\nid = \"gacc\"\nname_zh = \"x\"\nrole = \"customs\"\nuri = \"x\"")[0].0, "5:1");
}

#[test]
fn a_wrong_type_and_broken_syntax_name_their_place() {
    let found = faults("[limits]\nmax_connections = \"many\"\n");
    assert_eq!(found, [("2:19".to_owned(), "limits.max_connections".to_owned(), "MALFORMED")]);
    assert_eq!(faults("[limits\n")[0].2, "MALFORMED");
    assert_eq!(faults("[server]\nlisten = \"localhost\"\n")[0].0, "2:10");
}

#[test]
fn every_value_out_of_bounds_is_listed_with_its_place() {
    let text = "[limits]\nmax_connections = 0\nmax_message_bytes = 1\n[tls]\ntrust_domain = \"Not A Name\"\ncrls = []\n";
    let found = faults(text);
    let keys: Vec<_> = found.iter().map(|(place, key, _)| (place.as_str(), key.as_str())).collect();
    assert_eq!(
        keys,
        [
            ("5:16", "tls.trust_domain"),
            ("6:8", "tls.crls"),
            ("3:21", "limits.max_message_bytes"),
            ("2:19", "limits.max_connections")
        ]
    );
}

#[test]
fn participants_and_grants_become_the_register() {
    let text = r#"
        [[participants]]
        id = "gacc"
        name_zh = "海关总署"
        role = "customs"
        systems = [{ name = "risk-control" }, { name = "archive", fingerprints = ["00FF00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"] }]

        [[grants]]
        participant = "gacc"
        actions = ["read"]
        feeds = ["enterprises"]
        restricted = true
        expires_on = "2026-12-31"
    "#;
    let register = read(text).expect("accepted").register;
    let gacc = ParticipantId::parse("gacc").expect("a name");
    assert_eq!(register.participant(&gacc).map(|participant| participant.role), Some(ParticipantRole::Customs));
    let named = register.system_by_uri("spiffe://tongbao.example/gacc/risk-control").expect("known");
    assert_eq!(named.id.to_string(), "gacc/risk-control");
    let mut fingerprint = [0; 32];
    fingerprint.iter_mut().skip(1).step_by(2).for_each(|byte| *byte = 0xff);
    assert_eq!(register.system_by_fingerprint(&fingerprint).map(|system| system.uri.clone()), Some(None));
    let shows = |year| {
        let day = CivilDate::day(year, 1, 1).expect("a day");
        register.permit(&gacc, Action::Read, Feed::Enterprises, day).is_ok_and(|permit| permit.shows(SectionName::Restricted))
    };
    assert!(shows(2026) && !shows(2027));
}

#[test]
fn what_the_register_cannot_hold_is_refused_with_its_place() {
    let text = r#"[[participants]]
id = "GACC"
name_zh = ""
role = "custom"
region = "33"
systems = [
  { name = "risk control", uri = "spiffe://elsewhere/gacc/x", fingerprints = ["abc"] },
]

[[grants]]
participant = "nobody"
actions = ["erase"]
feeds = []
region_prefixes = ["三三"]
expires_on = "31.12.2026"
"#;
    let keys: Vec<_> = faults(text).into_iter().map(|(place, key, _)| format!("{place} {key}")).collect();
    for expected in [
        "2:6 participants[0].id",
        "3:11 participants[0].name_zh",
        "4:8 participants[0].role",
        "5:10 participants[0].region",
        "12:12 grants[0].actions[0]",
        "13:9 grants[0].feeds",
        "14:20 grants[0].region_prefixes[0]",
        "15:14 grants[0].expires_on",
    ] {
        assert!(keys.iter().any(|key| key == expected), "{expected} is not among {keys:#?}");
    }
    let text = text
        .replace("GACC", "gacc")
        .replace("\"custom\"", "\"customs\"")
        .replace("\"33\"\nsys", "\"330000\"\nsys")
        .replace("= \"\"", "= \"x\"");
    let keys: Vec<_> = faults(&text).into_iter().map(|(place, key, _)| format!("{place} {key}")).collect();
    for expected in [
        "7:12 participants[0].systems[0].name",
        "7:34 participants[0].systems[0].uri",
        "7:79 participants[0].systems[0].fingerprints[0]",
    ] {
        assert!(keys.iter().any(|key| key == expected), "{expected} is not among {keys:#?}");
    }
}

#[test]
fn two_systems_of_one_uri_are_refused() {
    let one = |id: &str| {
        format!(
            "[[participants]]\nid = \"{id}\"\nname_zh = \"x\"\nrole = \"customs\"\nsystems = [{{ name = \"a\", uri = \"spiffe://tongbao.example/x\" }}]\n"
        )
    };
    let found = faults(&(one("gacc") + &one("gacd")));
    assert_eq!(found[0].2, "REGISTER");
}

#[test]
fn dates_of_the_regime_are_days_in_order() {
    let text = "[screening]\nannouncement_12 = [{ valid_from = \"2020-04-26\", valid_to = \"2020-04-25\" }, { valid_from = \"2020-04\" }]\n";
    let reasons: Vec<_> = faults(text).into_iter().map(|(_, key, reason)| (key, reason)).collect();
    assert_eq!(
        reasons,
        [
            ("screening.announcement_12[0].valid_to".to_owned(), "ENDS_BEFORE_IT_BEGINS"),
            ("screening.announcement_12[1].valid_from".to_owned(), "NOT_A_DAY"),
        ]
    );
    let off = read("[screening]\nannouncement_12 = [{ valid_from = \"2020-04-26\", enabled = false }]").expect("accepted");
    assert_eq!(off.screening.regimes.version(), "off");
}

#[test]
fn the_environment_overrides_every_key() {
    let listen = |checked: Checked| checked.config.server.listen.port();
    assert_eq!(with_environment("TONGBAO__SERVER__LISTEN", "0.0.0.0:9").map(listen), Ok(9));
    let hours = |checked: Checked| checked.config.feeds.failed_products.freshness_hours;
    assert_eq!(with_environment("TONGBAO__FEEDS__FAILED_PRODUCTS__FRESHNESS_HOURS", "48").map(hours), Ok(48));
    let crls = |checked: Checked| checked.config.tls.crls;
    assert_eq!(with_environment("TONGBAO__TLS__CRLS", "[\"a.pem\"]").map(crls), Ok(vec!["a.pem".into()]));
    assert!(with_environment("TONGBAO_LANG", "zh").is_ok(), "one underscore is none of ours");
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, reason) in [
        ("TONGBAO__SERVER__LISTN", "0.0.0.0:9", "UNKNOWN_KEY"),
        ("TONGBAO__SERVER__LISTEN", "nowhere", "BAD_VARIABLE"),
        ("TONGBAO__LIMITS__MAX_CONNECTIONS", "many", "BAD_VARIABLE"),
        ("TONGBAO__LIMITS", "5", "BAD_VARIABLE"),
        ("TONGBAO__DOMAIN__ALLOW_SYNTHETIC__X", "true", "BAD_VARIABLE"),
        ("TONGBAO__", "5", "UNKNOWN_KEY"),
    ] {
        let faults = with_environment(name, value).expect_err(name);
        assert_eq!(faults.iter().map(|fault| (fault.key.as_str(), fault.reason)).collect::<Vec<_>>(), [(name, reason)]);
    }
}

#[test]
fn a_missing_file_says_how_to_begin() {
    let error = load(Some(Path::new("/nonexistent/tongbao.toml")), NO_ENVIRONMENT).expect_err("missing");
    assert!(error.to_string().contains("config defaults"), "{error}");
}

#[test]
fn the_example_of_the_deployment_is_accepted() {
    let checked = read(include_str!("../../deploy/tongbao.toml")).expect("accepted");
    assert_eq!(checked.config.tls.certificate, Path::new("/etc/tongbao/certs/gateway.pem"));
    assert_eq!(checked.register.participants().len(), 5);
}
