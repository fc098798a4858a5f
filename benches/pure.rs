//! The hot pure parts, each without the disk and the network that a real act has around it: what the processor alone costs.
//!
//! `cargo bench --bench pure`; the figures and their setting stand in `docs/performance.md`.

#![allow(missing_docs, reason = "what criterion generates has none")]

use std::{collections::BTreeMap, hint::black_box};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tongbao::{
    domain::{
        dates::CivilDate,
        delivery::{
            Candidate, Delivery, Engine, Filter, OnDeadLetter, Ordering, Output, RetryPolicy, SessionId, Settlement, StartAt,
            SubscriptionKey, SubscriptionRow, SubscriptionSpec, SubscriptionState, Verb, Window,
        },
        draft::OrderKey,
        evidence::{Frontier, leaf_hash},
        ids::{Micros, ParticipantId, Position, RecordId},
        position_set::PositionSet,
        records::{Content, Matter, examples},
        violation::Findings,
    },
    wire::{self, DraftContext},
};

/// Records of a delivered batch, and entries of a commit.
const BATCH: u64 = 100;

fn content() -> Content {
    Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(1))), withdrawal: None }
}

/// The door: decoding, every rule of the kind, re-encoding for the comparison of bytes, attributes and subjects.
fn validation(criterion: &mut Criterion) {
    let publisher = ParticipantId::parse("amr-330000").expect("a participant");
    let context = DraftContext {
        publisher: &publisher,
        publisher_region: None,
        today: CivilDate::day(2020, 6, 1).expect("a day"),
        allow_synthetic: true,
        salt: &|| [7; 16],
    };
    let id = RecordId::parse("amr-330000/bench").expect("a record id");
    let record = wire::publishable(&id, None, &content(), None);
    criterion.bench_function("validate_draft", |bencher| {
        bencher.iter(|| {
            let mut findings = Findings::default();
            let draft = wire::draft(black_box(&record), &context, &mut findings);
            assert!(draft.is_some(), "a record without fault");
            draft
        });
    });
}

/// Canonical bytes of a record's sections.
fn encoding(criterion: &mut Criterion) {
    let content = content();
    criterion.bench_function("encode_canonical", |bencher| bencher.iter(|| wire::seal(black_box(&content))));
}

fn spec() -> SubscriptionSpec {
    SubscriptionSpec {
        filter: Filter::default(),
        ordering: Ordering::PerEnterprise,
        on_dead_letter: OnDeadLetter::Continue,
        lease_ms: 30_000,
        lease_total_ms: 3_600_000,
        retry: RetryPolicy {
            max_attempts: 10,
            initial_ms: 1_000,
            max_ms: 600_000,
            non_retryable: Vec::new(),
            pause_after_failures: 0,
            rate_per_second: 100,
        },
        max_in_flight: 10_000,
        max_span: 1_000_000,
        purpose: String::new(),
        start: StartAt::Earliest,
    }
}

fn state() -> SubscriptionState {
    let key = SubscriptionKey { participant: ParticipantId::parse("gacc").expect("a participant"), name: "bench".to_owned() };
    SubscriptionState {
        row: SubscriptionRow { key, spec: spec(), created_at: 0, start_floor: 0, snapshot_at: 0 },
        epoch: 0,
        floor: 0,
        chunks: BTreeMap::new(),
        retrying: BTreeMap::new(),
        blocked: BTreeMap::new(),
        dead: PositionSet::default(),
        consecutive_failures: 0,
        circuit_open_since: None,
        settings_revision: 1,
        paused_since: None,
        sought_epoch: 0,
    }
}

/// Rows of the next batch, each of another enterprise.
fn rows(after: Position) -> Vec<Candidate> {
    let row = |position: Position| Candidate {
        position,
        order_key: OrderKey(format!("91330000{position:010}").into()),
        record_id: RecordId::parse(&format!("amr-330000/{position}")).expect("a record id"),
        revision: 1,
        bytes: 1_024,
        recall: false,
        left_filter: false,
    };
    (after + 1..=after + BATCH).map(row).collect()
}

/// Does at once what the engine says; what was sent.
fn obey(engine: &mut Engine, now: Micros) -> Vec<Delivery> {
    let mut sent = Vec::new();
    loop {
        let outputs = engine.take_outputs();
        if outputs.is_empty() {
            return sent;
        }
        for output in outputs {
            match output {
                Output::Persist(persist) => engine.persisted(persist.change_id, now),
                Output::Reserve { batch_id, .. } => engine.committed(batch_id, now),
                Output::Send { deliveries, .. } => sent.extend(deliveries),
                _ => {}
            }
        }
    }
}

/// The engine's part of a batch from reading to the floor: read, reserve, send, settle, persist, confirm.
fn engine_step(criterion: &mut Criterion) {
    let mut engine = Engine::load(state(), 7);
    let window = Window { records: 10_000, bytes: 1 << 30 };
    engine.attach(0, SessionId([1; 16]), "gacc/bench".into(), window, false, false).expect("attached");
    obey(&mut engine, 0);
    let mut read = 0;
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("deliver_and_settle_100", |bencher| {
        let mut to_read = read;
        bencher.iter_batched(
            || {
                to_read += BATCH;
                (to_read - BATCH, rows(to_read - BATCH))
            },
            |(after, rows)| {
                read = after + BATCH;
                let now = Micros::try_from(read).unwrap_or(Micros::MAX);
                engine.appended(read);
                engine.rows(now, after, read, rows);
                engine.pump(now);
                let sent = obey(&mut engine, now);
                let ack =
                    |delivery: &Delivery| Settlement { position: delivery.position, token: delivery.token, verb: Verb::Ack };
                engine.settle(now, read, sent.iter().map(ack).collect());
                obey(&mut engine, now);
                assert_eq!(engine.state().floor, read, "all of it is settled");
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Hashing and appending the entries of one commit, and the new root.
fn merkle(criterion: &mut Criterion) {
    let entries: Vec<Vec<u8>> = (0..BATCH).map(|n| format!("{n:0300}").into_bytes()).collect();
    let mut frontier = Frontier::default();
    (0..1_000_000_u32).for_each(|n| {
        frontier.append(leaf_hash(&n.to_be_bytes()));
    });
    let mut group = criterion.benchmark_group("merkle");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("append_100", |bencher| {
        bencher.iter_batched_ref(
            || frontier.clone(),
            |frontier| {
                for entry in &entries {
                    black_box(frontier.append(leaf_hash(entry)));
                }
                frontier.root()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(pure, validation, encoding, engine_step, merkle);
criterion_main!(pure);
