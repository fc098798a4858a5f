//! `EvidenceService`: the evidence desk over gRPC.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{answer::answer, caller};
use crate::{
    domain::{evidence::ActKind, ids::Micros},
    gateway::{
        Caller, Gateway, Refused,
        evidence::{EvidenceQuery, FoundEntries, SearchFrom},
    },
    proto::{
        GetCheckpointRequest, GetCheckpointResponse, LoggedEntry, ProveConsistencyRequest, ProveConsistencyResponse,
        ProveInclusionRequest, ProveInclusionResponse, SearchEntriesRequest, SearchEntriesResponse,
        evidence_service_server::EvidenceService,
    },
};

/// Entries of a page when the request does not say.
const DEFAULT_PAGE: usize = 100;

/// The service over a gateway.
pub struct EvidenceDoor {
    gateway: Arc<Gateway>,
}

impl EvidenceDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn search(&self, caller: &Caller, request: SearchEntriesRequest) -> Result<SearchEntriesResponse, Refused> {
        let limit = match request.page_size {
            0 => DEFAULT_PAGE,
            size => size as usize,
        };
        let from = read_token(&request.page_token)?;
        let query = query(request)?;
        Ok(page(self.gateway.evidence.search(caller, &query, from, limit).await?))
    }

    async fn checkpoint(&self, caller: &Caller) -> Result<GetCheckpointResponse, Refused> {
        let head = self.gateway.evidence.checkpoint(caller).await?;
        Ok(GetCheckpointResponse { checkpoint: head.checkpoint, verifier_key: head.verifier_key })
    }

    async fn inclusion(&self, caller: &Caller, request: &ProveInclusionRequest) -> Result<ProveInclusionResponse, Refused> {
        let proof = self.gateway.evidence.prove_inclusion(caller, request.index, request.tree_size).await?;
        Ok(ProveInclusionResponse {
            entry: Some(logged(proof.index, proof.entry)),
            tree_size: proof.head.size,
            hashes: proof.hashes.into_iter().map(|hash| hash.to_vec().into()).collect(),
            checkpoint: proof.head.checkpoint,
            verifier_key: proof.head.verifier_key,
        })
    }

    async fn consistency(&self, caller: &Caller, request: &ProveConsistencyRequest) -> Result<ProveConsistencyResponse, Refused> {
        let proof = self.gateway.evidence.prove_consistency(caller, request.first, request.second).await?;
        Ok(ProveConsistencyResponse {
            first: proof.first,
            second: proof.head.size,
            hashes: proof.hashes.into_iter().map(|hash| hash.to_vec().into()).collect(),
            checkpoint: proof.head.checkpoint,
        })
    }
}

#[tonic::async_trait]
impl EvidenceService for EvidenceDoor {
    async fn search_entries(&self, request: Request<SearchEntriesRequest>) -> Result<Response<SearchEntriesResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.search(&caller, request.into_inner()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn get_checkpoint(&self, request: Request<GetCheckpointRequest>) -> Result<Response<GetCheckpointResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.checkpoint(&caller).await;
        answer(&self.gateway, &caller, result)
    }

    async fn prove_inclusion(&self, request: Request<ProveInclusionRequest>) -> Result<Response<ProveInclusionResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.inclusion(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn prove_consistency(
        &self,
        request: Request<ProveConsistencyRequest>,
    ) -> Result<Response<ProveConsistencyResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.consistency(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }
}

fn logged(index: u64, entry: Vec<u8>) -> LoggedEntry {
    LoggedEntry { index, entry: entry.into() }
}

fn page(found: FoundEntries) -> SearchEntriesResponse {
    SearchEntriesResponse {
        entries: found.entries.into_iter().map(|(index, entry)| logged(index, entry)).collect(),
        next_page_token: found.next.map(write_token).unwrap_or_default(),
        size: found.size,
    }
}

fn write_token(from: SearchFrom) -> String {
    format!("{}-{}", from.after, from.upto)
}

fn read_token(token: &str) -> Result<Option<SearchFrom>, Refused> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once('-').and_then(|(after, upto)| Some((after.parse().ok()?, upto.parse().ok()?)));
    let from = parts.map(|(after, upto)| SearchFrom { after, upto }).filter(|from| write_token(*from) == token);
    from.map(Some).ok_or_else(|| {
        Refused::field(
            "page_token",
            "MALFORMED_PAGE_TOKEN",
            "page_token 无法识别：请原样使用上一页返回的 next_page_token",
            "page_token is none that was given out: use next_page_token of the last answer as it is",
        )
    })
}

fn query(request: SearchEntriesRequest) -> Result<EvidenceQuery, Refused> {
    let kind = match request.kind {
        0 => None,
        number => Some(ActKind::from_number(number).ok_or_else(|| {
            Refused::field("kind", "UNKNOWN_VALUE", format!("kind 的值 {number} 未定义"), format!("kind has no value {number}"))
        })?),
    };
    Ok(EvidenceQuery {
        kind,
        participant: request.participant,
        system: request.system,
        subject: request.subject,
        position: request.position,
        from: time("from_us", request.from_us)?,
        to: time("to_us", request.to_us)?,
        outcome: request.outcome,
    })
}

fn time(field: &str, value: i64) -> Result<Option<Micros>, Refused> {
    match value {
        0 => Ok(None),
        1.. => Ok(Some(value)),
        _ => Err(Refused::field(field, "OUT_OF_BOUNDS", format!("{field} 不得为负"), format!("{field} is not negative"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_out_of_bounds_name_their_field() {
        let of = |request: SearchEntriesRequest| query(request).expect_err("refused").violations[0].field.clone();
        assert_eq!(of(SearchEntriesRequest { kind: 99, ..Default::default() }), "kind");
        assert_eq!(of(SearchEntriesRequest { from_us: -1, ..Default::default() }), "from_us");
        assert_eq!(of(SearchEntriesRequest { to_us: i64::MIN, ..Default::default() }), "to_us");
        let all = query(SearchEntriesRequest { kind: 11, to_us: 5, ..Default::default() }).expect("sound");
        assert_eq!((all.kind, all.from, all.to), (Some(ActKind::Refuse), None, Some(5)));
    }

    proptest! {
        #[test]
        fn a_page_token_is_read_back_or_refused(after in any::<u64>(), upto in any::<u64>(), text in "\\PC{1,30}") {
            let from = SearchFrom { after, upto };
            prop_assert_eq!(read_token(&write_token(from)).expect("own token"), Some(from));
            if let Ok(Some(read)) = read_token(&text) {
                prop_assert_eq!(write_token(read), text);
            }
        }
    }
}
