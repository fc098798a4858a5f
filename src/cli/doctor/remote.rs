//! What needs the network: name, TCP, TLS, the gateway's certificate, its health, our rights.

use super::{Sign, Step, local::until};
use crate::{
    cli::{Context, output::show_moment},
    client::{ClientError, Connection, Feeds, Profile},
    domain::violation::Text,
};

/// Adds the steps; each needs the one before.
pub(super) async fn steps(profile: &Profile, context: &Context, steps: &mut Vec<Step>) {
    let place = &profile.place;
    let name = ("域名解析", "name");
    match tokio::net::lookup_host((place.host.as_str(), place.port)).await {
        Ok(found) => {
            let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            steps.push(Step::good(name, format!("{} = {}", place.host, found.join(", "))));
        }
        Err(error) => {
            let (zh, en) = (
                format!("{}：{error}；请核对 endpoint 与域名服务", place.host),
                format!("{}: {error}; check `endpoint` and the name service", place.host),
            );
            steps.push(Step::new(Sign::Bad, name, Text::new(zh, en)));
            return;
        }
    }
    let name = ("连接与 TLS", "connection and TLS");
    let connection = match Connection::open(profile, context.lang, context.world.clock.clone()) {
        Ok(connection) => connection,
        Err(error) => return steps.push(Step::new(Sign::Bad, name, error.text())),
    };
    match connection.greet().await {
        Ok(gateway) => {
            steps.push(Step::good(name, connection.place()));
            let now = context.world.clock.now();
            steps.push(until(("网关证书", "gateway's certificate"), &gateway.subject, gateway.not_after, now));
        }
        Err(error) => return steps.push(Step::new(Sign::Bad, name, error.text())),
    }
    let name = ("网关状态", "health");
    match connection.is_serving("").await {
        Ok(true) => steps.push(Step::good(name, "serving")),
        Ok(false) => {
            let text = Text::new("网关正在停机或尚未就绪，请稍后再试", "the gateway is stopping or not ready; try later");
            steps.push(Step::new(Sign::Warning, name, text));
        }
        Err(error) => steps.push(Step::new(Sign::Bad, name, error.text())),
    }
    rights(&Feeds::new(&connection), steps).await;
}

async fn rights(feeds: &Feeds, steps: &mut Vec<Step>) {
    let name = ("登记与权限", "register and rights");
    let feeds = match feeds.feeds().await {
        Ok(feeds) => feeds,
        Err(error @ ClientError::Refused(_)) => {
            let mut text = error.text();
            text.zh.push_str("；请网关管理员登记本系统");
            text.en.push_str("; ask the gateway's administrator to register this system");
            return steps.push(Step::new(Sign::Bad, name, text));
        }
        Err(error) => return steps.push(Step::new(Sign::Bad, name, error.text())),
    };
    let names: Vec<_> = feeds.iter().map(|feed| feed.name.as_str()).collect();
    steps.push(Step::good(name, if names.is_empty() { "-".to_owned() } else { names.join(", ") }));
    for feed in &feeds {
        let stale: Vec<_> = feed
            .completeness
            .iter()
            .filter(|one| one.stale)
            .map(|one| format!("{} {} ({})", one.publisher, one.region, show_moment(one.complete_to_us)))
            .collect();
        if !stale.is_empty() {
            let text = Text::new(
                format!("{}：{} 的声明已过期或从未声明", feed.name, stale.join(", ")),
                format!("{}: stale or never attested: {}", feed.name, stale.join(", ")),
            );
            steps.push(Step::new(Sign::Warning, ("数据时效", "freshness"), text));
        }
    }
}
