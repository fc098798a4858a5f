use super::{super::*, *};
use crate::domain::{
    attributes::Attributes,
    feeds::SectionName,
    life_cycle::{State, Step},
    records::{Kind, TrackChange, TrackKind, TrackScope, TrackStep},
    regions::Region,
};

fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a name")
}

fn day(year: u16, month: u8, day: u8) -> CivilDate {
    CivilDate::day(year, month, day).expect("a day")
}

fn participant(name: &str, role: ParticipantRole, region: Option<&str>) -> Participant {
    Participant {
        id: id(name),
        name_zh: name.to_owned(),
        role,
        region: region.map(|code| Region::parse(code).expect("a region")),
    }
}

fn everyone() -> Vec<Participant> {
    vec![
        participant("samr", ParticipantRole::NationalRegulator, None),
        participant("amr-330000", ParticipantRole::Regulator, Some("330000")),
        participant("gacc", ParticipantRole::Customs, None),
        participant("mofcom", ParticipantRole::Commerce, None),
        participant("ndrc", ParticipantRole::DevelopmentReform, None),
        participant("miit", ParticipantRole::Industry, None),
    ]
}

fn register(grants: Vec<Grant>) -> Register {
    Register::build(everyone(), Vec::new(), Vec::new(), grants).expect("a sound register")
}

fn grant(name: &str, action: Action, feed: Feed, expires_on: Option<CivilDate>) -> Grant {
    Grant { participant: id(name), action, feed, disclosure: Disclosure::OPEN, scope: Scope::default(), expires_on }
}

fn attributes(kind: Kind, step: Option<Step>) -> Attributes {
    Attributes {
        kind,
        withdrawn: false,
        region: Region::parse("330100"),
        product_kinds: 0b10,
        failed_items: 0,
        step,
        credit_code: None,
        name_key: String::new(),
        published: kind != Kind::Nonconformity,
    }
}

fn begun(state: State) -> Attributes {
    attributes(Kind::Nonconformity, Some(Step::Begin(state)))
}

fn moved(from: State, to: State) -> Attributes {
    attributes(Kind::Disposition, Some(Step::Change { state: Some((from, to)), track: None }))
}

fn tracked(track: TrackKind) -> Attributes {
    let track = TrackChange { track, step: TrackStep::Open, scope: TrackScope::Batch };
    attributes(Kind::Disposition, Some(Step::Change { state: None, track: Some(track) }))
}

const TODAY: fn() -> CivilDate = || day(2026, 3, 1);

fn permit(register: &Register, name: &str, action: Action, feed: Feed) -> Result<Permit, Denied> {
    register.permit(&id(name), action, feed, TODAY())
}

#[test]
fn defaults_are_exactly_the_table_of_the_design() {
    use Action::{Attest, Publish, Read, Screen, Subscribe};
    let register = register(Vec::new());
    let publishers: [(Feed, &[&str]); 6] = [
        (Feed::FailedProducts, &["samr", "amr-330000"]),
        (Feed::Enterprises, &["samr", "amr-330000"]),
        (Feed::ExportQualifications, &["mofcom"]),
        (Feed::ExportActions, &["gacc"]),
        (Feed::Notices, &["samr", "amr-330000"]),
        (Feed::Doubts, &["samr", "amr-330000", "gacc", "mofcom", "ndrc"]),
    ];
    let recipients: [(Feed, &[&str]); 6] = [
        (Feed::FailedProducts, &["samr", "amr-330000", "gacc", "mofcom", "ndrc", "miit"]),
        (Feed::Enterprises, &["samr", "amr-330000", "gacc", "mofcom", "ndrc"]),
        (Feed::ExportQualifications, &["samr", "amr-330000", "gacc", "mofcom"]),
        (Feed::ExportActions, &["samr", "amr-330000", "gacc", "mofcom"]),
        (Feed::Notices, &["samr", "amr-330000", "gacc", "mofcom", "ndrc", "miit"]),
        (Feed::Doubts, &["samr", "amr-330000", "gacc", "mofcom", "ndrc"]),
    ];
    for name in ["samr", "amr-330000", "gacc", "mofcom", "ndrc", "miit"] {
        for (feed, allowed) in publishers {
            for action in [Publish, Attest] {
                assert_eq!(permit(&register, name, action, feed).is_ok(), allowed.contains(&name), "{name} {action:?} {feed:?}");
            }
        }
        for (feed, allowed) in recipients {
            for action in [Subscribe, Read] {
                assert_eq!(permit(&register, name, action, feed).is_ok(), allowed.contains(&name), "{name} {action:?} {feed:?}");
            }
        }
        assert_eq!(permit(&register, name, Screen, Feed::FailedProducts).is_ok(), name == "gacc", "{name} screens");
    }
}

#[test]
fn restricted_sections_go_to_those_who_need_them() {
    let register = register(Vec::new());
    let shows = |name, feed| permit(&register, name, Action::Read, feed).expect("granted").shows(SectionName::Restricted);
    assert!(shows("ndrc", Feed::Enterprises) && shows("mofcom", Feed::Enterprises) && shows("samr", Feed::Enterprises));
    assert!(!shows("gacc", Feed::Enterprises));
    assert!(shows("amr-330000", Feed::FailedProducts));
    assert!(!shows("gacc", Feed::FailedProducts) && !shows("mofcom", Feed::FailedProducts));
    assert!(permit(&register, "gacc", Action::Read, Feed::Enterprises).expect("granted").shows(SectionName::Open));
    assert!(permit(&register, "gacc", Action::Read, Feed::Enterprises).expect("granted").purpose_required());
}

#[test]
fn what_is_not_notified_yet_goes_to_customs_only() {
    let register = register(Vec::new());
    let of = |name| permit(&register, name, Action::Subscribe, Feed::FailedProducts).expect("granted");
    for name in ["gacc", "samr"] {
        assert!(of(name).admits(&begun(State::Detected)), "{name}");
        assert!(of(name).admits(&moved(State::Detected, State::Overturned)), "{name}");
        assert!(of(name).admits(&tracked(TrackKind::Case)), "{name}");
    }
    for name in ["mofcom", "ndrc", "miit"] {
        assert!(!of(name).admits(&begun(State::Detected)), "{name}");
        assert!(!of(name).admits(&moved(State::Detected, State::Disowned)), "{name}");
        assert!(of(name).admits(&moved(State::Detected, State::Notified)), "{name}");
        assert!(of(name).admits(&begun(State::Confirmed)), "{name}");
        assert!(of(name).admits_in(&begun(State::Detected), State::Notified), "{name}");
        assert!(!of(name).admits_in(&begun(State::Detected), State::Detected), "{name}");
        assert!(!of(name).admits(&tracked(TrackKind::Case)) && !of(name).admits(&tracked(TrackKind::Transfer)), "{name}");
        assert!(of(name).admits(&tracked(TrackKind::Sealing)), "{name}");
        // A published result is published, whatever its state.
        assert!(of(name).admits(&Attributes { published: true, ..begun(State::Detected) }), "{name}");
        // Attributes that do not say where it stands are kept back.
        assert!(!of(name).admits(&attributes(Kind::Nonconformity, None)), "{name}");
        assert!(!of(name).admits(&attributes(Kind::EnterpriseSurvey, None)), "{name}: another feed");
    }
}

#[test]
fn a_grant_holds_through_its_last_day() {
    let register = register(vec![grant("miit", Action::Read, Feed::Enterprises, Some(day(2026, 2, 28)))]);
    let on = |date| register.permit(&id("miit"), Action::Read, Feed::Enterprises, date);
    assert!(on(day(2026, 2, 28)).is_ok());
    let denied = on(day(2026, 3, 1)).expect_err("over");
    assert_eq!(denied.reason, "GRANT_EXPIRED");
    assert!(denied.text.en.contains("2026-02-28"), "{denied}");
    assert_eq!(permit(&register, "miit", Action::Subscribe, Feed::Enterprises).expect_err("never").reason, "NOT_GRANTED");
    let stranger = permit(&register, "moa", Action::Read, Feed::Notices).expect_err("not listed");
    assert_eq!(stranger.reason, "UNKNOWN_PARTICIPANT");
}

#[test]
fn a_grant_of_a_part_shows_restricted_sections_of_that_part_alone() {
    let scope = Scope { region_prefixes: vec!["33".to_owned()], ..Scope::default() };
    let partial = Grant { disclosure: Disclosure::ALL, scope, ..grant("gacc", Action::Read, Feed::Enterprises, None) };
    let permit = permit(&register(vec![partial]), "gacc", Action::Read, Feed::Enterprises).expect("granted");
    let here = attributes(Kind::EnterpriseSurvey, None);
    let elsewhere = Attributes { region: Region::parse("440100"), ..here.clone() };
    let nowhere = Attributes { region: None, ..here.clone() };
    assert!(permit.admits(&here) && permit.admits(&elsewhere));
    assert!(permit.shows_of(SectionName::Restricted, &here));
    assert!(!permit.shows_of(SectionName::Restricted, &elsewhere));
    assert!(!permit.shows_of(SectionName::Restricted, &nowhere));
    assert!(!permit.shows(SectionName::Restricted), "not of every revision");
}

#[test]
fn a_scope_leaves_out_what_it_does_not_name() {
    let scope = Scope { kinds: vec![Kind::EnterpriseSurvey], product_kinds: 0b100, ..Scope::default() };
    let here = attributes(Kind::EnterpriseSurvey, None);
    assert!(!scope.holds(&here));
    assert!(scope.holds(&Attributes { product_kinds: 0b110, ..here.clone() }));
    assert!(!scope.holds(&Attributes { kind: Kind::UrgentNotice, product_kinds: 0b110, ..here.clone() }));
    let blank = Scope { region_prefixes: vec![String::new()], ..Scope::default() };
    assert!(!blank.holds(&here), "an empty prefix is no way to say everything");
}

#[test]
fn publishing_outside_ones_region_is_remarked_and_nothing_more() {
    let remark = |own: Option<&str>, other: &str| {
        participant("amr", ParticipantRole::Regulator, own).region_remark(Region::parse(other)).is_some()
    };
    assert!(remark(Some("330000"), "440100"));
    assert!(!remark(Some("330000"), "330100"));
    assert!(!remark(Some("330100"), "330000"));
    assert!(!remark(None, "440100"));
}

#[test]
fn systems_are_found_by_uri_and_by_certificate() {
    let system = |name: &str, uri: Option<&str>, fingerprints: Vec<Digest>| System {
        id: SystemId::parse(name).expect("a name"),
        uri: uri.map(str::to_owned),
        fingerprints,
    };
    let uri = "spiffe://tongbao.example/gacc/risk-control";
    let systems = vec![system("gacc/risk-control", Some(uri), Vec::new()), system("mofcom/lists", None, vec![[1; 32], [2; 32]])];
    let register = Register::build(everyone(), systems, Vec::new(), Vec::new()).expect("sound");
    assert_eq!(register.system_by_uri(uri).map(|found| found.id.to_string()).as_deref(), Some("gacc/risk-control"));
    assert_eq!(register.system_by_fingerprint(&[2; 32]).map(|found| found.id.to_string()).as_deref(), Some("mofcom/lists"));
    assert!(register.system_by_uri("spiffe://tongbao.example/gacc/other").is_none());
    assert!(register.system_by_fingerprint(&[3; 32]).is_none());
}

#[test]
fn everything_wrong_with_a_register_is_said_at_once() {
    let mut participants = everyone();
    participants.push(participant("gacc", ParticipantRole::Customs, None));
    let name = |text: &str| SystemId::parse(text).expect("a name");
    let systems = vec![
        System { id: name("gacc/a"), uri: Some("u".to_owned()), fingerprints: vec![[1; 32], [1; 32]] },
        System { id: name("gacc/b"), uri: Some("u".to_owned()), fingerprints: vec![[1; 32]] },
        System { id: name("gacc/b"), uri: None, fingerprints: Vec::new() },
        System { id: name("nobody/c"), uri: Some("v".to_owned()), fingerprints: Vec::new() },
    ];
    let verdict = FeedPolicy { verdict_publishers: vec![id("nobody")], ..FeedPolicy::standard(Feed::Notices) };
    let policies = vec![verdict, FeedPolicy::standard(Feed::Enterprises), FeedPolicy::standard(Feed::Enterprises)];
    let grants = vec![grant("nobody", Action::Read, Feed::Notices, None)];
    let errors = Register::build(participants, systems, policies, grants).expect_err("wrong in many ways");
    assert_eq!(
        errors,
        [
            RegisterError::ParticipantTwice(id("gacc")),
            RegisterError::UriTwice("u".to_owned()),
            RegisterError::FingerprintTwice(hex(&[1; 32])),
            RegisterError::SystemUnrecognisable(name("gacc/b")),
            RegisterError::SystemTwice(name("gacc/b")),
            RegisterError::SystemOfNobody(name("nobody/c")),
            RegisterError::PolicyTwice("enterprises"),
            RegisterError::GrantToNobody(id("nobody")),
            RegisterError::VerdictOfNobody("notices", id("nobody")),
        ]
    );
}

#[test]
fn a_verdict_needs_all_publishers_unless_some_are_named() {
    let names = |register: &Register| {
        register.verdict_publishers(Feed::FailedProducts).iter().map(|one| one.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&register(Vec::new())), ["amr-330000", "samr"]);
    let policy = FeedPolicy { verdict_publishers: vec![id("samr")], ..FeedPolicy::standard(Feed::FailedProducts) };
    let chosen = Register::build(everyone(), Vec::new(), vec![policy], Vec::new()).expect("sound");
    assert_eq!(names(&chosen), ["samr"]);
}
