//! `tongbao certs`: a development authority, and a look at certificates.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Failure};
use crate::{
    domain::{digest::hex, ids::SystemId},
    tls::{
        authority::{Authority, Issuance, Order},
        inspect::{Inspected, inspect},
        pem::moment,
    },
};

/// What to do with certificates.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a development authority with an empty revocation list. Never for production.
    Init {
        /// Folder of the authority.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// Trust domain of the URIs in certificates.
        #[arg(long, value_name = "NAME", default_value = "tongbao.example")]
        trust_domain: String,
        /// Days that a revocation list is valid.
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
        crl_days: u32,
    },
    /// Issue a certificate with a new key: for a client's system, or with --server for a gateway.
    Issue {
        /// Folder of the authority.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The system: <participant>/<system>.
        system: String,
        /// Name or address under which clients reach the gateway; may be given several times.
        #[arg(long, value_name = "NAME")]
        server: Vec<String>,
        /// Days that the certificate is valid.
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Write to PATH.pem and PATH.key instead of <folder>/<participant>/<system>.
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
    /// Revoke what was issued under a serial number, or for a system, and write the revocation list.
    Revoke {
        /// Folder of the authority.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// Serial number (hexadecimal) or system.
        what: String,
    },
    /// Write the revocation list anew, before it expires.
    RenewCrl {
        /// Folder of the authority.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
    },
    /// Show what stands in certificates and revocation lists.
    Show {
        /// Files, PEM or DER lists.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written, or a name cannot stand in a certificate.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Init { dir, trust_domain, crl_days } => {
            let authority = Authority::init(&dir, &trust_domain, crl_days, context.world.clone())?;
            told_of(&authority, context)
        }
        Action::Issue { dir, system, server, days, out } => issue(&dir, &system, server, days, out, context),
        Action::Revoke { dir, what } => revoke(&dir, &what, context),
        Action::RenewCrl { dir } => {
            let next = Authority::open(&dir, context.world.clone())?.write_list()?;
            context.answer(&json!({ "revocation_list_next_update": moment(next) }), || {
                format!("{} {}", context.say("吊销列表已更新，有效至", "the revocation list is new, valid until"), moment(next))
            })
        }
        Action::Show { files } => show(&files, context),
    }
}

fn told_of(authority: &Authority, context: &Context) -> Result<(), Failure> {
    let (certificate, list) = (authority.certificate(), authority.list());
    let answer = json!({ "authority": certificate, "revocation_list": list, "trust_domain": authority.trust_domain() });
    context.answer(&answer, || {
        format!(
            "{}\n  {}\n  {}\n{}",
            context.say("已建立开发用签发机构（切勿用于生产）", "a development authority was made (never for production)"),
            certificate.display(),
            list.display(),
            context.say(
                "下一步：tongbao certs issue --dir <目录> <单位>/<系统>",
                "next: tongbao certs issue --dir <folder> <participant>/<system>"
            ),
        )
    })
}

fn issue(
    dir: &Path,
    system: &str,
    servers: Vec<String>,
    days: u32,
    out: Option<PathBuf>,
    context: &Context,
) -> Result<(), Failure> {
    let system = SystemId::parse(system).map_err(|error| {
        let zh = format!("「{system}」不是系统名称；应为 <单位>/<系统>，只能使用 a-z、0-9 和 -");
        Failure::usage("NOT_A_NAME", zh, error.to_string())
    })?;
    let mut authority = Authority::open(dir, context.world.clone())?;
    let Issuance { certificate, key, uri, serial, fingerprint, not_after } =
        authority.issue(&Order { system, servers, days, out })?;
    let answer = json!({
        "certificate": certificate,
        "key": key,
        "uri": uri,
        "serial": serial,
        "sha256": hex(&fingerprint),
        "not_after": moment(not_after),
    });
    context.answer(&answer, || {
        format!(
            "{}\n{}\n  URI      {uri}\n  {}   {serial}\n  SHA-256  {}\n  {} {}",
            certificate.display(),
            key.display(),
            context.say("序列号", "serial"),
            hex(&fingerprint),
            context.say("有效至", "until  "),
            moment(not_after),
        )
    })
}

fn revoke(dir: &Path, what: &str, context: &Context) -> Result<(), Failure> {
    let mut authority = Authority::open(dir, context.world.clone())?;
    let serials = authority.revoke(what)?;
    let list = authority.list();
    context.answer(&json!({ "revoked": serials, "revocation_list": list }), || {
        format!(
            "{} {}\n{} {}",
            context.say("已吊销", "revoked"),
            serials.join(", "),
            context.say("请把新的吊销列表交给网关：", "hand the new list to the gateway:"),
            list.display(),
        )
    })
}

fn show(files: &[PathBuf], context: &Context) -> Result<(), Failure> {
    let mut found = Vec::new();
    for path in files {
        for item in inspect(path)? {
            found.push((path, item));
        }
    }
    let values: Vec<Value> = found.iter().map(|(path, item)| value_of(path, item)).collect();
    let now = context.world.clock.now();
    context.answer(&values, || {
        let mut text = String::new();
        for (path, item) in &found {
            // Writing into a string does not fail.
            let _ = writeln!(text, "{}", path.display());
            let ended = if item.ends_at() < now { context.say("（已过期）", " (expired)") } else { "" };
            match item {
                Inspected::Certificate(certificate) => {
                    let _ = writeln!(text, "  {}", certificate.subject);
                    let _ = writeln!(text, "  {}: {}", context.say("签发者", "issuer"), certificate.issuer);
                    for name in &certificate.names {
                        let _ = writeln!(text, "  {}: {name}", context.say("名称", "name"));
                    }
                    let _ = writeln!(text, "  {}: {}", context.say("序列号", "serial"), certificate.serial);
                    let _ = writeln!(text, "  SHA-256: {}", hex(&certificate.fingerprint));
                    let (from, to) = (moment(certificate.not_before), moment(certificate.not_after));
                    let _ = writeln!(text, "  {}: {from} – {to}{ended}", context.say("有效期", "valid"));
                }
                Inspected::List(list) => {
                    let _ = writeln!(text, "  {}: {}", context.say("吊销列表，签发者", "revocation list of"), list.issuer);
                    let _ = writeln!(text, "  {}: {}{ended}", context.say("有效至", "valid until"), moment(list.next_update));
                    let _ = writeln!(text, "  {}: {}", context.say("已吊销", "revoked"), list.revoked.join(", "));
                }
            }
        }
        text
    })
}

fn value_of(path: &Path, item: &Inspected) -> Value {
    match item {
        Inspected::Certificate(certificate) => json!({
            "file": path,
            "kind": "certificate",
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "serial": certificate.serial,
            "sha256": hex(&certificate.fingerprint),
            "not_before": moment(certificate.not_before),
            "not_after": moment(certificate.not_after),
        }),
        Inspected::List(list) => json!({
            "file": path,
            "kind": "revocation_list",
            "issuer": list.issuer,
            "next_update": moment(list.next_update),
            "revoked": list.revoked,
        }),
    }
}
