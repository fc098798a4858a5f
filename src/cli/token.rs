//! `tongbao token`: issues operators' tokens, and the key that signs them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Exit, Failure, door::unreadable};
use crate::{
    domain::{digest::sha256, ids::Micros},
    gateway::OperatorRole,
    rpc::token::{TokenOrder, issue, may_be_held_together, role_named},
    tls::{authority::signing_key, pem},
};

/// No gateway can be told to take tokens that live longer.
const LONGEST: Duration = Duration::from_hours(24);

/// What to do with tokens.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the key of an issuer: KEY for the issuer, KEY.pub for the gateway's tokens.public_keys.
    Key {
        /// Where to write the private key; readable by its owner alone.
        #[arg(value_name = "KEY")]
        path: PathBuf,
    },
    /// Issue a short-lived token for an operator, bound to a client's certificate.
    Issue(Order),
}

#[derive(Debug, Args)]
struct Order {
    /// Private key of the issuer, Ed25519, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The operator's name, as evidence will show it.
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// A role: manage, audit, operate or observe; may be given several times.
    #[arg(long, value_name = "ROLE", required = true, value_parser = parse_role)]
    role: Vec<OperatorRole>,
    /// The certificate it will be presented with, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// How long it lives: 90s, 15m, 1h; at most 24h. A gateway takes none that lives longer than its tokens.max_ttl_seconds (an hour
    /// by default).
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_time)]
    ttl: Duration,
    /// The gateway it is for (tokens.audience there).
    #[arg(long, value_name = "NAME", default_value = "tongbao-gateway")]
    audience: String,
    /// The issuer's name (tokens.issuer there).
    #[arg(long, value_name = "NAME", default_value = "tongbao")]
    issuer: String,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written, or the roles may not be held together.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Key { path } => {
            let public = make_key(&path)?;
            context.answer(&json!({ "key": path, "public_key": public }), || format!("{}\n{}", path.display(), public.display()))
        }
        Action::Issue(order) => {
            let (token, expires) = issue_token(&order, context.world.clock.now())?;
            context.answer(&json!({ "token": token, "expires_at": pem::moment(expires) }), || token.clone())
        }
    }
}

/// Makes an issuer's key and its public part beside it; returns where the public part is.
///
/// # Errors
/// When a file stands there already or cannot be written.
pub fn make_key(path: &Path) -> Result<PathBuf, Failure> {
    let (private, public_part) = signing_key().map_err(|error| {
        Failure::new(Exit::Failed, "KEY_NOT_MADE", format!("密钥未能生成：{error}"), format!("no key could be made: {error}"))
    })?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    write_new(path, &private, 0o600)?;
    write_new(&public, &public_part, 0o644)?;
    Ok(public)
}

/// Writes a new file with its mode from the first byte; never over one that stands.
pub(super) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let shown = path.display();
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::usage(
                "FILE_EXISTS",
                format!("{shown} 已存在：不会覆盖任何文件"),
                format!("{shown} exists already: nothing is overwritten"),
            ),
            _ => Failure::usage(
                "FILE_UNUSABLE",
                format!("无法写入 {shown}：{error}"),
                format!("{shown} cannot be written: {error}"),
            ),
        }
    })
}

fn issue_token(order: &Order, now: Micros) -> Result<(String, Micros), Failure> {
    if !may_be_held_together(&order.role) {
        return Err(Failure::usage(
            "ROLES",
            "管理（manage）与审计（audit）不得由同一人担任（GB/T 39477-2020）；请分开签发",
            "no one may hold `manage` and `audit` together (GB/T 39477-2020); issue them to two people",
        ));
    }
    let key = pem::secret(&order.key)?;
    let chain = pem::certificates(&order.cert)?;
    let leaf = chain.first().ok_or_else(|| unreadable(&order.cert, &std::io::ErrorKind::UnexpectedEof.into()))?;
    let ordered = TokenOrder {
        issuer: order.issuer.clone(),
        audience: order.audience.clone(),
        operator: order.operator.clone(),
        roles: order.role.clone(),
        certificate_sha256: sha256(&[leaf]),
        ttl: order.ttl,
    };
    let token = issue(&ordered, &key, now).map_err(|error| {
        let shown = order.key.display();
        Failure::usage("TOKEN_KEY", format!("私钥 {shown} 不能使用：{error}"), format!("the key {shown} cannot be used: {error}"))
    })?;
    let life = i64::try_from(order.ttl.as_micros()).unwrap_or(i64::MAX);
    Ok((token, now.saturating_add(life)))
}

fn parse_role(text: &str) -> Result<OperatorRole, String> {
    role_named(text).ok_or_else(|| "one of manage, audit, operate, observe".to_owned())
}

/// A time such as `90s`, `15m` or `1h`; at most a day.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let unit = text.chars().last().filter(char::is_ascii_alphabetic);
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match unit {
        None | Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some(_) => 0,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|seconds| *seconds > 0);
    match seconds {
        Some(seconds) if text.len() - number.len() <= 1 && seconds <= LONGEST.as_secs() => Ok(Duration::from_secs(seconds)),
        _ => Err("a time such as 90s, 15m or 1h, at most 24h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let seconds = |text| parse_time(text).map(|time| time.as_secs());
        assert_eq!([seconds("90s"), seconds("15m"), seconds("1h"), seconds("7")], [Ok(90), Ok(900), Ok(3600), Ok(7)]);
        assert_eq!(seconds("24h"), Ok(86_400));
        for bad in ["", "m", "0m", "25h", "86401s", "1d", "1mm", "-1m", "一m", "99999999999999999999h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
