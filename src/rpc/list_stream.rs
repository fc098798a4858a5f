//! A whole list on its way out: its header, then its rows some at a time, as fast as they are read.

use tonic::Status;

use super::feed_requests::completeness;
use crate::{
    domain::records::Token as _,
    gateway::lists::ExportedList,
    proto::{self, export_list_response::Part},
    wire,
};

/// Rows of a message: well below the largest that clients take.
const ROWS: usize = 500;

/// What is said of a list, one message at a time.
type Each = Box<dyn Iterator<Item = Result<proto::ExportListResponse, Status>> + Send>;

/// What is said of a list, as a stream.
pub(super) type Parts = tokio_stream::Iter<Each>;

pub(super) fn parts(list: ExportedList) -> Parts {
    let header = Part::Header(header(&list));
    let mut rows = list.rows.into_iter().map(|cells| proto::ListRow { cells });
    let bodies = std::iter::from_fn(move || {
        let rows: Vec<_> = rows.by_ref().take(ROWS).collect();
        (!rows.is_empty()).then_some(Part::Rows(proto::ListRows { rows }))
    });
    let parts = std::iter::once(header).chain(bodies).map(|part| Ok(proto::ExportListResponse { part: Some(part) }));
    let each: Each = Box::new(parts);
    tokio_stream::iter(each)
}

fn header(list: &ExportedList) -> proto::ListHeader {
    let column = |(token, name): &(&str, &str)| proto::ListColumn { token: (*token).to_owned(), name_zh: (*name).to_owned() };
    proto::ListHeader {
        list: list.list.token().to_owned(),
        columns: list.list.columns().iter().map(column).collect(),
        row_count: list.statement.rows,
        statement: list.note.clone(),
        verifier_key: list.verifier_key.clone(),
        basis: Some(wire::lookup::basis(&list.basis)),
        at_us: list.statement.at,
        regimes: list.regimes.iter().map(wire::lookup::regime).collect(),
        regime_in_force: list.statement.regime_in_force,
        completeness: list.completeness.iter().map(completeness).collect(),
    }
}
