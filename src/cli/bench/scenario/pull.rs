//! Pulls of enterprises by credit code; each answer is a disclosure and waits for its commit.

use super::super::{
    broken,
    closed_loop::{Bounds, closed_loop},
    figures::Reading,
    site::Site,
};
use crate::{cli::Failure, client::Records, domain::records::examples, proto::GetEnterpriseRequest};

/// Pulls of one measure at most.
const PULLS: u64 = 10_000_000;

pub(super) async fn run(site: &Site<'_>, run: u32) -> Result<Vec<Reading>, Failure> {
    let records = Records::new(&site.connect("mofcom")?);
    let mut readings = Vec::new();
    for in_flight in [16, 256] {
        let bounds = Bounds { count: site.arguments.records.min(PULLS), in_flight, span: site.arguments.span() };
        let salt = (u64::from(run) * 2 + u64::from(in_flight > 16)) * PULLS;
        let ask = |number| pull(site, &records, salt + number);
        readings.push(closed_loop(site, format!("by credit code, {in_flight} in flight"), bounds, ask).await?);
    }
    Ok(readings)
}

/// Pulls an enterprise picked by number; it is known, so that an answer without its record is wrong.
pub(super) fn pull(
    site: &Site<'_>,
    records: &Records,
    number: u64,
) -> impl Future<Output = Result<(), Failure>> + Send + 'static {
    let credit_code = examples::credit_code(site.data.pick(number, site.arguments.records)).to_string();
    let request = GetEnterpriseRequest { credit_code, purpose: "sizing".to_owned(), ..GetEnterpriseRequest::default() };
    let records = records.clone();
    async move {
        let answer = records.enterprise(request).await?;
        match answer.enterprise {
            Some(file) if !file.nonconformities.is_empty() => Ok(()),
            _ => Err(broken("已知企业的档案中没有其不合格记录", "a known enterprise came without its failed product")),
        }
    }
}
