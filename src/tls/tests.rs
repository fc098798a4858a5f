use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;

use super::{
    authority::{Authority, AuthorityError, Issuance, Order},
    inspect::{Inspected, inspect},
    *,
};
use crate::{
    clock::{SystemEntropy, World},
    domain::ids::SystemId,
};

const DAY: Micros = 86_400_000_000;

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct Scene {
    folder: TempDir,
    clock: Arc<SetClock>,
    authority: Authority,
    files: ServerFiles,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().expect("folder");
        let clock = Arc::new(SetClock(AtomicI64::new(1_767_225_600_000_000)));
        let mut authority = authority(&folder.path().join("ca"), &clock);
        let gateway = issue(&mut authority, "gateway/main", &["localhost", "::1", "10.0.0.1"]).expect("issued");
        let files = ServerFiles {
            certificate: gateway.certificate,
            key: gateway.key,
            client_authorities: authority.certificate(),
            crls: vec![authority.list()],
            require_crl: true,
        };
        Self { folder, clock, authority, files }
    }

    fn load(&self) -> Result<ServerTls, &'static str> {
        ServerTls::load(self.files.clone(), self.clock.clone()).map_err(|error| {
            let text = error.text();
            assert!(!text.zh.is_empty() && !text.en.is_empty());
            error.reason()
        })
    }

    fn reason(&self) -> &'static str {
        self.load().err().unwrap_or("LOADED")
    }
}

fn authority(folder: &Path, clock: &Arc<SetClock>) -> Authority {
    let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
    Authority::init(folder, "tongbao.example", 30, world).expect("authority")
}

fn issue(authority: &mut Authority, system: &str, servers: &[&str]) -> Result<Issuance, AuthorityError> {
    let servers = servers.iter().map(|name| (*name).to_owned()).collect();
    authority.issue(&Order { system: SystemId::parse(system).expect("a system"), servers, days: 60, out: None })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn what_was_issued_loads_and_names_its_ends() {
    let scene = Scene::new();
    let tls = scene.load().expect("loaded");
    let now = scene.clock.now();
    assert_eq!((tls.certificate_not_after() - now) / DAY, 60);
    assert_eq!(tls.crl_next_update().map(|end| (end - now) / DAY), Some(30));
    assert!(!tls.refresh().expect("the same"), "nothing was replaced");
}

#[test]
fn a_gateway_that_cannot_check_revocation_does_not_start() {
    let mut scene = Scene::new();
    scene.files.crls.clear();
    assert_eq!(scene.reason(), "NO_REVOCATION_LIST");
    scene.files.require_crl = false;
    assert_eq!(scene.reason(), "LOADED");
    scene.files.crls = vec![scene.authority.list()];
    scene.clock.0.fetch_add(31 * DAY, Ordering::SeqCst);
    assert_eq!(scene.reason(), "REVOCATION_LIST_EXPIRED");
}

#[test]
fn each_authority_needs_its_list_and_each_list_its_authority() {
    let mut scene = Scene::new();
    let other = authority(&scene.folder.path().join("other"), &scene.clock);
    scene.files.crls = vec![other.list()];
    assert_eq!(scene.reason(), "LIST_OF_STRANGER");
    // The second authority has the first one's name in this test, so that only the signature tells them apart.
    let both = [&scene.authority, &other].map(|authority| fs::read_to_string(authority.certificate()).expect("pem"));
    let bundle = scene.folder.path().join("both.pem");
    fs::write(&bundle, both.concat()).expect("written");
    scene.files.client_authorities = bundle;
    assert_eq!(scene.reason(), "LOADED");
    let world = World { clock: scene.clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
    let third = Authority::init(&scene.folder.path().join("third"), "third.example", 30, world).expect("authority");
    let bundle = scene.folder.path().join("all.pem");
    let third = fs::read_to_string(third.certificate()).expect("pem");
    fs::write(&bundle, both.concat() + &third).expect("written");
    scene.files.client_authorities = bundle;
    assert_eq!(scene.reason(), "AUTHORITY_WITHOUT_LIST");
}

#[test]
fn a_key_must_be_its_owners_alone_and_fit() {
    let mut scene = Scene::new();
    assert_eq!(mode(&scene.files.key), 0o600);
    fs::set_permissions(&scene.files.key, fs::Permissions::from_mode(0o640)).expect("set");
    assert_eq!(scene.reason(), "KEY_OPEN_TO_OTHERS");
    scene.files.key = issue(&mut scene.authority, "gacc/other", &[]).expect("issued").key;
    assert_eq!(scene.reason(), "CERTIFICATE_UNUSABLE");
    scene.files.key = scene.folder.path().join("nowhere");
    assert_eq!(scene.reason(), "FILE_UNREADABLE");
}

#[test]
fn what_is_no_certificate_is_named() {
    let mut scene = Scene::new();
    let empty = scene.folder.path().join("empty.pem");
    fs::write(&empty, "").expect("written");
    scene.files.certificate = empty.clone();
    assert_eq!(scene.reason(), "NOTHING_IN_FILE");
    fs::write(&empty, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("written");
    assert_eq!(scene.reason(), "FILE_MALFORMED");
    let mut scene = Scene::new();
    scene.clock.0.fetch_add(61 * DAY, Ordering::SeqCst);
    assert_eq!(scene.reason(), "CERTIFICATE_NOT_VALID");
    scene.files.client_authorities = empty;
    scene.clock.0.fetch_sub(61 * DAY, Ordering::SeqCst);
    assert_eq!(scene.reason(), "FILE_MALFORMED");
}

#[test]
fn a_replaced_file_is_noticed() {
    let mut scene = Scene::new();
    let tls = scene.load().expect("loaded");
    scene.authority.write_list().expect("written");
    assert!(tls.refresh().expect("loaded"));
    assert!(!tls.refresh().expect("the same"));
}

#[test]
fn an_authority_overwrites_nothing() {
    let mut scene = Scene::new();
    assert!(matches!(issue(&mut scene.authority, "gateway/main", &[]), Err(AuthorityError::Exists(_))));
    let world = World { clock: scene.clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
    let again = Authority::init(&scene.folder.path().join("ca"), "tongbao.example", 30, world);
    assert!(matches!(again, Err(AuthorityError::Exists(_))));
    assert_eq!(mode(&scene.folder.path().join("ca/ca.key")), 0o600);
}

#[test]
fn names_that_no_certificate_can_carry_are_refused() {
    let mut scene = Scene::new();
    for name in ["", "Not Valid", "a..b", "海关", "-.x y"] {
        assert!(matches!(issue(&mut scene.authority, "gacc/x", &[name]), Err(AuthorityError::Name(_))), "{name}");
    }
    let world = World { clock: scene.clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
    let bad = Authority::init(&scene.folder.path().join("bad"), "no domain", 30, world);
    assert!(matches!(bad, Err(AuthorityError::Name(_))));
}

#[test]
fn a_reopened_authority_revokes_what_it_issued_before() {
    let mut scene = Scene::new();
    let issued = issue(&mut scene.authority, "gacc/risk-control", &[]).expect("issued");
    let world = World { clock: scene.clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
    let mut again = Authority::open(&scene.folder.path().join("ca"), world).expect("opened");
    let revoked = again.revoke(&issued.serial.to_uppercase()).expect("revoked");
    assert_eq!(revoked, vec![issued.serial.clone()]);
    assert!(matches!(again.revoke("gacc/risk-control"), Err(AuthorityError::NotIssued(_))), "revoked already");
    let Some(Inspected::List(list)) = inspect(&again.list()).expect("read").pop() else { panic!("no list") };
    assert_eq!(list.revoked, [issued.serial]);
}

#[test]
fn a_damaged_authority_is_named() {
    let scene = Scene::new();
    let ca = scene.folder.path().join("ca");
    let open = || {
        let world = World { clock: scene.clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
        Authority::open(&ca, world).err().map(|error| (error.reason(), error.text().zh.is_empty()))
    };
    let register: PathBuf = ca.join("issued.json");
    let whole = fs::read_to_string(&register).expect("read");
    for broken in ["", "{}", &whole.replace("\"serial\": \"", "\"serial\": \"+z")] {
        fs::write(&register, broken).expect("written");
        assert_eq!(open(), Some(("FILE_MALFORMED", false)), "{broken}");
    }
    fs::write(&register, whole).expect("written");
    assert_eq!(open(), None);
    fs::set_permissions(ca.join("ca.key"), fs::Permissions::from_mode(0o644)).expect("set");
    assert_eq!(open(), Some(("KEY_OPEN_TO_OTHERS", false)));
}

#[test]
fn certificates_show_what_stands_in_them() {
    let scene = Scene::new();
    let Some(Inspected::Certificate(shown)) = inspect(&scene.files.certificate).expect("read").pop() else {
        panic!("no certificate")
    };
    assert_eq!(shown.names, ["spiffe://tongbao.example/gateway/main", "localhost", "::1", "10.0.0.1"]);
    assert!(shown.subject.contains("gateway/main") && shown.not_before < shown.not_after);
    assert!(inspect(&scene.files.key).is_err(), "a key is shown to nobody");
}

#[test]
fn the_example_set_can_be_used() {
    let folder = TempDir::new().expect("folder");
    let copy = |name: &str| {
        let copied = folder.path().join(name.replace('/', "-"));
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("certs-example").join(name), &copied).expect("copied");
        // A checkout leaves keys readable by others.
        fs::set_permissions(&copied, fs::Permissions::from_mode(0o600)).expect("set");
        copied
    };
    let clock = World::real().clock;
    let files = ServerFiles {
        certificate: copy("gateway/main.pem"),
        key: copy("gateway/main.key"),
        client_authorities: copy("ca.pem"),
        crls: vec![copy("crl.pem")],
        require_crl: true,
    };
    ServerTls::load(files, clock.clone()).expect("a gateway's");
    for system in ["samr/publisher", "amr-330000/publisher", "gacc/risk-control", "mofcom/lists", "ndrc/supply"] {
        let files = ClientFiles {
            authorities: copy("ca.pem"),
            certificate: copy(&format!("{system}.pem")),
            key: copy(&format!("{system}.key")),
        };
        client_config(&files, clock.clone()).expect(system);
    }
}
