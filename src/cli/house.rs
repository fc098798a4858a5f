//! A whole small world in one folder, for demonstrations, measurements and tests of the real thing: an authority with
//! certificates, an operator's tokens, the configuration of a gateway, and a client profile for every system.
//!
//! ```text
//! <folder>/certs/…            authority and certificates
//! <folder>/tongbao.toml       configuration of the gateway; data/ beside it
//! <folder>/profiles/<participant>.toml
//! ```

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Failure,
    serve::{Running, start},
    token::{make_key, write_new},
};
use crate::{
    client::{ClientError, Profile},
    clock::World,
    config,
    domain::{digest::Digest, ids::SystemId},
    gateway::OperatorRole,
    rpc::token::{TokenOrder, issue},
    tls::authority::{Authority, Issuance, Order},
};

/// Trust domain of the world.
pub const TRUST_DOMAIN: &str = "tongbao.example";

/// A participant of the world: id, Chinese name, role, region, its one system.
struct Resident {
    id: &'static str,
    name_zh: &'static str,
    role: &'static str,
    region: &'static str,
    system: &'static str,
}

const RESIDENTS: [Resident; 8] = [
    Resident { id: "samr", name_zh: "国家市场监督管理总局", role: "national_regulator", region: "", system: "audit" },
    Resident {
        id: "amr-330000", name_zh: "浙江省市场监督管理局", role: "regulator", region: "330000", system: "filing"
    },
    Resident {
        id: "amr-420000", name_zh: "湖北省市场监督管理局", role: "regulator", region: "420000", system: "filing"
    },
    Resident {
        id: "amr-440000", name_zh: "广东省市场监督管理局", role: "regulator", region: "440000", system: "filing"
    },
    Resident { id: "gacc", name_zh: "海关总署", role: "customs", region: "", system: "risk-control" },
    Resident { id: "mofcom", name_zh: "商务部", role: "commerce", region: "", system: "registry" },
    Resident {
        id: "ndrc", name_zh: "国家发展和改革委员会", role: "development_reform", region: "", system: "planning"
    },
    Resident { id: "miit", name_zh: "工业和信息化部", role: "industry", region: "", system: "watch" },
];

/// A certificate of the trusted authority whose system is not in the register.
pub const STRANGER: &str = "stranger";

/// The world in its folder.
pub struct House {
    folder: PathBuf,
    address: SocketAddr,
    world: World,
}

impl House {
    /// Builds it in a folder that is made if missing and must not hold one already. Ports are free ones of loopback.
    ///
    /// # Errors
    /// When files stand there already or cannot be written.
    pub fn build(folder: &Path, world: World) -> Result<Self, Failure> {
        fs::create_dir_all(folder.join("data"))?;
        fs::create_dir_all(folder.join("profiles"))?;
        let folder = folder.canonicalize()?;
        let (address, telemetry) = (free_port()?, free_port()?);
        let house = Self { folder, address, world };
        let mut authority = Authority::init(&house.folder.join("certs"), TRUST_DOMAIN, 30, house.world.clone())?;
        Self::issue(&mut authority, "gateway/main", &["localhost", "127.0.0.1"])?;
        let issuer = house.folder.join("token-issuer.key");
        make_key(&issuer)?;
        for resident in &RESIDENTS {
            let issued = Self::issue(&mut authority, &format!("{}/{}", resident.id, resident.system), &[])?;
            house.write_token(resident.id, &issuer, issued.fingerprint)?;
            house.write_profile(resident.id, resident.system)?;
        }
        Self::issue(&mut authority, "stranger/system", &[])?;
        house.write_profile(STRANGER, "system")?;
        fs::write(house.config_file(), house.config_text(telemetry))?;
        Ok(house)
    }

    /// The configuration of the gateway.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("tongbao.toml")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The profile file of a participant.
    pub fn profile_file(&self, participant: &str) -> PathBuf {
        self.folder.join("profiles").join(format!("{participant}.toml"))
    }

    /// The profile of a participant.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn profile(&self, participant: &str) -> Result<Profile, Failure> {
        let path = self.profile_file(participant);
        Ok(Profile::load(Some(&path.to_string_lossy())).map_err(ClientError::from)?)
    }

    /// Starts the gateway of this world in this process.
    ///
    /// # Errors
    /// As `serve`.
    pub async fn start(&self) -> Result<Running, Failure> {
        start(config::load(Some(&self.config_file()), [])?, self.world.clone()).await
    }

    fn issue(authority: &mut Authority, system: &str, servers: &[&str]) -> Result<Issuance, Failure> {
        let system =
            SystemId::parse(system).map_err(|error| Failure::usage("MALFORMED_NAME", error.to_string(), error.to_string()))?;
        let servers = servers.iter().map(|name| (*name).to_owned()).collect();
        Ok(authority.issue(&Order { system, servers, days: 30, out: None })?)
    }

    /// A token for each participant's operator, so that everything can be tried; `audit` for the national regulator alone.
    fn write_token(&self, participant: &str, issuer: &Path, certificate_sha256: Digest) -> Result<(), Failure> {
        let role = if participant == "samr" { OperatorRole::Audit } else { OperatorRole::Operate };
        let order = TokenOrder {
            issuer: "tongbao".to_owned(),
            audience: "tongbao-gateway".to_owned(),
            operator: format!("operator-{participant}"),
            roles: vec![role],
            certificate_sha256,
            ttl: Duration::from_hours(1),
        };
        let token = issue(&order, &fs::read(issuer)?, self.world.clock.now())
            .map_err(|error| Failure::usage("TOKEN_KEY", error.to_string(), error.to_string()))?;
        write_new(&self.folder.join("profiles").join(format!("{participant}.token")), &token, 0o600)
    }

    fn write_profile(&self, participant: &str, system: &str) -> Result<(), Failure> {
        let token = if participant == STRANGER { String::new() } else { format!("token_file = \"{participant}.token\"\n") };
        let text = format!(
            "endpoint = \"{}\"\nserver_name = \"localhost\"\nca = \"../certs/ca.pem\"\n\
             cert = \"../certs/{participant}/{system}.pem\"\nkey = \"../certs/{participant}/{system}.key\"\n{token}",
            self.address
        );
        Ok(fs::write(self.profile_file(participant), text)?)
    }

    fn config_text(&self, telemetry: SocketAddr) -> String {
        use std::fmt::Write as _;
        let mut text = format!(
            "[server]\nlisten = \"{}\"\nshutdown_grace_seconds = 3\n\n[telemetry]\nlisten = \"{telemetry}\"\nlevel = \"warn\"\n\n\
             [tokens]\npublic_keys = [\"token-issuer.key.pub\"]\n\n[domain]\nallow_synthetic = true\n",
            self.address
        );
        for Resident { id, name_zh, role, region, system } in &RESIDENTS {
            let region = if region.is_empty() { String::new() } else { format!("region = \"{region}\"\n") };
            let _ = write!(
                text,
                "\n[[participants]]\nid = \"{id}\"\nname_zh = \"{name_zh}\"\nrole = \"{role}\"\n{region}\
                 systems = [{{ name = \"{system}\", uri = \"spiffe://{TRUST_DOMAIN}/{id}/{system}\" }}]\n"
            );
        }
        text
    }
}

/// A port of loopback that is free at this moment.
fn free_port() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
