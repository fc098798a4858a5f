//! What is wrong is refused, with a code, a reason, a field and an entry in the evidence log; and nothing of it is written.

mod exchange;

use std::{fs, process::Command, sync::Arc};

use exchange::{
    Exchange, ONCE, id, nonconformity, qualification, record, refusal, soon, store_path,
    stream::{Stream, ack, open},
    subscription, survey,
};
use prost::Message as _;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use sqlx::Connection as _;
use tokio::io::AsyncReadExt as _;
use tongbao::{
    cli::{
        Exit,
        house::{House, STRANGER},
    },
    client::{ClientError, Connection, Publisher, PublisherOptions, Refusal},
    clock::World,
    config,
    domain::{
        evidence::{ActKind, read_entry},
        life_cycle::State,
        records::{EnterpriseSurvey, Matter, examples},
        violation::Lang,
    },
    proto,
    store::{
        EvidenceQuery, Store as _,
        sqlite::{Options, SqliteStore},
    },
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_certificate_no_word() {
    let mut exchange = Exchange::open().await;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(exchange.house.folder().join("certs/ca.pem")).expect("a file") {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut bare = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    bare.alpn_protocols = vec![b"h2".to_vec()];
    let socket = tokio::net::TcpStream::connect(exchange.house.address()).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls =
        tokio_rustls::TlsConnector::from(Arc::new(bare)).connect(name, socket).await.expect("our half of the handshake");
    let error = soon("the alert", tls.read_to_end(&mut Vec::new())).await.expect_err("no certificate, no word");
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_refused_and_counted() {
    let mut exchange = Exchange::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = House::build(&folder.path().join("elsewhere"), World::real()).expect("another world");
    let mut foreign = exchange.house.profile("gacc").expect("a profile");
    let other = elsewhere.profile("gacc").expect("a profile");
    (foreign.cert, foreign.key) = (other.cert, other.key);
    let foreign = Connection::open(&foreign, Lang::En, World::real().clock).expect("a connection");
    let error = foreign.greet().await.expect_err("not trusted");
    assert!(matches!(error, ClientError::CertificateRefused { .. }), "{error:?}");
    exchange.stop().await;
    let counted = entries_of(&exchange.house, ActKind::RefusalSummary).await;
    let handshakes = counted.iter().flat_map(|entry| &entry.counts).filter(|(name, _)| name.contains("HANDSHAKE_FAILED"));
    assert!(handshakes.map(|(_, count)| count).sum::<u64>() >= 1, "{counted:?}");
    exchange.stop_and_check().await;
}

/// Entries of a kind, from the store of a gateway that does not run.
async fn entries_of(house: &House, kind: ActKind) -> Vec<tongbao::domain::evidence::Entry> {
    let store = SqliteStore::open(&store_path(house), 1, &Options::default()).await.expect("the store opens");
    let found = store.search_evidence(&EvidenceQuery::default(), None, 1_000).await.expect("the log");
    store.close().await;
    let entries = found.iter().map(|(_, bytes)| read_entry(bytes).expect("an entry that reads"));
    entries.filter(|entry| entry.kind == kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_or_not_granted_is_refused_and_recorded() {
    let mut exchange = Exchange::open().await;
    let stranger = exchange.refused(STRANGER, vec![nonconformity("stranger", 1)]).await;
    assert_eq!((stranger.code, stranger.reason.as_str()), (Code::Unauthenticated, "UNKNOWN_SYSTEM"));
    exchange.refusal_entry("UNKNOWN_SYSTEM", "Publish").await;

    let industry = exchange.refused("miit", vec![nonconformity("miit", 1)]).await;
    assert_eq!((industry.code, industry.reason.as_str()), (Code::PermissionDenied, "NOT_GRANTED"));
    let entry = exchange.refusal_entry("NOT_GRANTED", "Publish").await;
    assert_eq!((entry.participant.as_str(), entry.system.as_str()), ("miit", "watch"));

    let evidence = tongbao::client::Evidence::new(&exchange.connection("gacc"));
    let denied = refusal(evidence.checkpoint().await.expect_err("customs does not audit"));
    assert_eq!((denied.code, denied.reason.as_str()), (Code::PermissionDenied, "ROLE_MISSING"));
    let mut bare = exchange.house.profile("samr").expect("a profile");
    bare.token_file = None;
    let bare = Connection::open(&bare, Lang::En, World::real().clock).expect("a connection");
    let nobody = refusal(tongbao::client::Evidence::new(&bare).checkpoint().await.expect_err("no operator"));
    assert_eq!((nobody.code, nobody.reason.as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
    exchange.refusal_entry("TOKEN_MISSING", "GetCheckpoint").await;
    exchange.stop_and_check().await;
}

const PUBLISH: &str = "/tongbao.v1.PublishService/Publish";

/// Sends a message that is not what the method takes.
async fn send<M: prost::Message + Default + 'static>(connection: &Connection, path: &'static str, message: M) -> tonic::Status {
    let mut client = tonic::client::Grpc::new(connection.signed());
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<M, proto::PublishResponse>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    soon("the answer", client.unary(tonic::Request::new(message), path, codec)).await.expect_err("refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_cannot_be_read_are_refused() {
    let mut exchange = Exchange::open().await;
    let connection = exchange.connection("amr-330000");
    let malformed = send(&connection, PUBLISH, proto::Token { epoch: 7, send_number: 7 }).await;
    let malformed = refusal(connection.understand(&malformed).await);
    assert_eq!((malformed.code, malformed.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    let huge = proto::PublishRequest { request_id: "x".repeat(9 << 20), ..Default::default() };
    let huge = send(&connection, PUBLISH, huge).await;
    let huge = refusal(connection.understand(&huge).await);
    assert_eq!((huge.code, huge.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    let unknown = send(&connection, "/tongbao.v1.PublishService/Unpublish", proto::AttestRequest::default()).await;
    let unknown = refusal(connection.understand(&unknown).await);
    assert_eq!((unknown.code, unknown.reason.as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"));
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 1)]).await;
    exchange.stop_and_check().await;
}

/// A nonconformity whose bytes were changed by somebody who speaks the protocol.
fn changed(change: impl FnOnce(&mut proto::Nonconformity)) -> proto::Record {
    let mut record = nonconformity("amr-330000", 1);
    let mut content = proto::Nonconformity::decode(record.sections[0].content.clone()).expect("ours");
    change(&mut content);
    record.sections[0].content = content.encode_to_vec().into();
    record
}

fn with(change: impl FnOnce(&mut proto::Record)) -> proto::Record {
    let mut record = nonconformity("amr-330000", 1);
    change(&mut record);
    record
}

fn date(year: u32, month: u32, day: u32) -> proto::CivilDate {
    proto::CivilDate { year, month, day }
}

fn complaints(refusal: &Refusal) -> Vec<(&str, &str)> {
    refusal.fields.iter().map(|field| (field.field.as_str(), field.reason.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_break_rules_are_refused_by_field() {
    let mut exchange = Exchange::open().await;
    let not_canonical = with(|record| {
        let mut bytes = record.sections[0].content.to_vec();
        // Field 1,000, a varint: unknown to the schema.
        bytes.extend([0xc0, 0x3e, 0x01]);
        record.sections[0].content = bytes.into();
    });
    let future = Some(date(2099, 1, 1));
    let cases: [(Vec<proto::Record>, &str, &str); 12] = [
        (Vec::new(), "records", "EMPTY_BATCH"),
        ((0..1_001).map(|n| nonconformity("amr-330000", n)).collect(), "records", "TOO_MANY_RECORDS"),
        (vec![with(|record| record.kind = 99)], "records[0].kind", "UNKNOWN_KIND"),
        (vec![with(|record| record.sections[0].name = 99)], "records[0].sections[0].name", "UNKNOWN_SECTION"),
        (vec![with(|record| record.feed = "enterprises".to_owned())], "records[0].feed", "WRONG_FEED"),
        (vec![with(|record| record.record_id = "amr-420000/nc-1".to_owned())], "records[0].record_id", "FOREIGN_NAMESPACE"),
        (vec![not_canonical], "records[0].nonconformity", "NOT_CANONICAL"),
        (
            vec![changed(|content| content.producer.get_or_insert_default().credit_code = "913306002000000019".to_owned())],
            "records[0].nonconformity.producer.credit_code",
            "WRONG_CHECK_CHARACTER",
        ),
        (
            vec![changed(|content| content.initial_state = "bogus".to_owned())],
            "records[0].nonconformity.initial_state",
            "UNKNOWN_VALUE",
        ),
        (
            vec![changed(|content| content.sampled_on = Some(date(2020, 2, 30)))],
            "records[0].nonconformity.sampled_on",
            "WRONG_DATE",
        ),
        (vec![changed(|content| content.published_on = future)], "records[0].nonconformity.published_on", "FUTURE_DATE"),
        (
            vec![nonconformity("amr-330000", 2), with(|record| record.record_id = "no slash".to_owned())],
            "records[1].record_id",
            "WRONG_RECORD_ID",
        ),
    ];
    let mut wrong = Vec::new();
    for (records, field, reason) in cases {
        let refused = exchange.refused("amr-330000", records).await;
        if (refused.code, refused.reason.as_str()) != (Code::InvalidArgument, "INVALID_FIELDS")
            || !complaints(&refused).contains(&(field, reason))
        {
            wrong.push(format!("{field} {reason}: {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let entry = exchange.refusal_entry("INVALID_FIELDS", "Publish").await;
    assert_eq!(entry.participant, "amr-330000");
    let next = exchange.publish("amr-330000", vec![nonconformity("amr-330000", 9)]).await;
    assert_eq!(next.records[0].position, 1, "nothing of it was written");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_above_its_bytes_is_refused() {
    let mut exchange = Exchange::open().await;
    let large = (0..5).map(|n| {
        let mut record = nonconformity("amr-330000", n);
        record.sections[0].content = vec![0x0a; 1 << 20].into();
        record
    });
    let refused = exchange.refused("amr-330000", large.collect()).await;
    assert_eq!(complaints(&refused), [("records", "BATCH_TOO_LARGE")]);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_one_conflict_is_refused_whole() {
    let mut exchange = Exchange::open().await;
    let publish = |revision, daily_output| {
        let matter = EnterpriseSurvey { daily_output: Some(daily_output), ..examples::survey(1) };
        record("amr-330000/es-1", revision, Matter::EnterpriseSurvey(Box::new(matter)))
    };
    exchange.publish("amr-330000", vec![publish(Some(1), 10)]).await;
    let again = exchange.publish("amr-330000", vec![publish(Some(1), 10)]).await;
    assert!(again.records[0].duplicate && again.records[0].position == 1);

    let conflict = exchange.refused("amr-330000", vec![survey("amr-330000", 2), publish(Some(1), 11)]).await;
    assert_eq!((conflict.code, conflict.reason.as_str()), (Code::Aborted, "CONTENT_CONFLICT"));
    assert_eq!(complaints(&conflict), [("records[1]", "CONTENT_CONFLICT")]);
    exchange.refusal_entry("CONTENT_CONFLICT", "Publish").await;
    let gap = exchange.refused("amr-330000", vec![publish(Some(3), 12)]).await;
    assert_eq!((gap.code, gap.reason.as_str()), (Code::Aborted, "REVISION_GAP"));
    assert_eq!(complaints(&gap), [("records[0]", "REVISION_GAP")]);
    exchange.refusal_entry("REVISION_GAP", "Publish").await;
    let of_none = examples::disposition(id("amr-330000/nc-404"), State::Confirmed, State::Ordered);
    let of_none = record("amr-330000/d-1", None, Matter::Disposition(Box::new(of_none)));
    let unknown = exchange.refused("amr-330000", vec![of_none]).await;
    assert_eq!((unknown.code, unknown.reason.as_str()), (Code::FailedPrecondition, "UNKNOWN_NONCONFORMITY"));
    assert_eq!(exchange.publish("amr-330000", vec![survey("amr-330000", 2)]).await.records[0].position, 2);
    exchange.stop_and_check().await;
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::build(&folder.path().join("world"), World::real()).expect("a world");
    let text = fs::read_to_string(house.config_file()).expect("a configuration");
    fs::write(house.config_file(), format!("[server]\nlisten_on = 1\n{}", text.trim_start_matches("[server]\n")))
        .expect("written");
    let ended = Command::new(env!("CARGO_BIN_EXE_tongbao"))
        .args(["--lang", "en", "serve", "--config"])
        .arg(house.config_file())
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("tongbao.toml:2:1") && said.contains("listen_on"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_newer_program_is_not_touched() {
    let mut exchange = Exchange::open().await;
    exchange.stop().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(exchange.store_path());
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("a connection");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .expect("written");
    connection.close().await.expect("closed");
    let Err(failure) = exchange.house.start().await else { panic!("it must not start") };
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.text.en.contains("schema 9999") && failure.text.en.contains("newer"), "{}", failure.text.en);
    assert!(failure.text.zh.contains("9999"), "{}", failure.text.zh);
}

/// Sets the limit on the size of the ledger's file, MiB.
fn limit(house: &House, mib: u64) {
    let text = fs::read_to_string(house.config_file()).expect("a configuration");
    let text = text.split("[store]").next().expect("the part before");
    fs::write(house.config_file(), format!("{text}[store]\nlimit_mib = {mib}\n")).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_refuses_acts_and_disclosures_and_recovers() {
    let mut exchange = Exchange::open_with(|house| limit(house, 1)).await;
    exchange.publish("mofcom", vec![qualification(1)]).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let publisher = Publisher::new(&exchange.connection("amr-330000"), PublisherOptions { retry: ONCE, ..Default::default() });
    let mut stands = 1;
    let full = loop {
        let batch = (stands..stands + 20).map(|n| nonconformity("amr-330000", n)).collect();
        match publisher.publish_batch(batch).await {
            Ok(_) => stands += 20,
            Err(error) => break refusal(error),
        }
        assert!(stands < 10_000, "1 MiB does not hold so many");
    };
    assert_eq!((full.code, full.reason.as_str()), (Code::Unavailable, "STORE_FULL"));
    assert!(full.retry_after.is_some());

    let ask = || proto::GetRecordRequest { record_id: "mofcom/eq-1".to_owned(), ..Default::default() };
    // What is left may hold one entry more, not many.
    let records = exchange.records("gacc");
    let disclosed = soon("the last entry", async {
        loop {
            if let Err(error) = records.record(ask()).await {
                return refusal(error);
            }
        }
    })
    .await;
    assert_eq!((disclosed.code, disclosed.reason.as_str()), (Code::Unavailable, "STORE_FULL"));
    // Attaching writes less than looking up does, and into other pages: it may still fit for a while.
    let attached = soon("no room to attach", async {
        loop {
            if let Err(status) = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await {
                let refused = refusal(exchange.connection("gacc").understand(&status).await);
                if refused.reason == "STORE_FULL" {
                    return refused;
                }
            }
        }
    })
    .await;
    assert_eq!(attached.code, Code::Unavailable);
    let mut health = tonic_health::pb::health_client::HealthClient::new(exchange.connection("gacc").signed());
    let healthy = health.check(tonic_health::pb::HealthCheckRequest::default()).await.expect("health answers").into_inner();
    assert_eq!(healthy.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    let checkpoint = exchange.evidence().checkpoint().await.expect("checkpoints answer");
    assert!(checkpoint.checkpoint.starts_with(&config_origin(&exchange.house)), "{}", checkpoint.checkpoint);

    limit(&exchange.house, 64);
    exchange.reload().await;
    records.record(ask()).await.expect("it recovered");
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", stands)]).await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let mut got = 0;
    while got < stands as usize + 1 {
        let batch = stream.batch().await;
        stream.settle(batch.iter().map(ack).collect()).await;
        got += batch.len();
    }
    assert_eq!(got, stands as usize + 1, "what was answered, and nothing else");
    drop(stream);
    exchange.stop_and_check().await;
}

fn config_origin(house: &House) -> String {
    config::load(Some(&house.config_file()), []).expect("a configuration").config.evidence.origin
}
