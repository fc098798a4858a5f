//! What may happen in a random history.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Publish(Vec<u8>),
    /// Many that are not for this subscription.
    PublishOthers,
    Attach {
        who: u8,
        take_over: bool,
    },
    Detach {
        drained: bool,
    },
    Drain,
    Window(u32),
    Settle(Vec<(u16, u8)>),
    AckAll,
    SettleOld {
        which: u16,
        verb: u8,
    },
    /// A token that was never given out (or of another position).
    Forge {
        which: u16,
        how: u8,
        verb: u8,
    },
    Wait(u8),
    LetGo {
        succeeds: bool,
    },
    LetAllGo,
    Crash {
        committed: bool,
    },
    Redrive(u8),
    Discard(u8),
    Permit(bool),
    Stall(bool),
    Pause(bool),
    Heartbeat,
    Rest,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    // More than a chunk that is not for this subscription: rare, since it is slow.
    let others = (0_u8..4).prop_map(|which| if which == 0 { Op::PublishOthers } else { Op::Rest });
    prop_oneof![
        1 => others,
        6 => prop::collection::vec(0_u8..5, 1..8).prop_map(Op::Publish),
        4 => (0_u8..3, any::<bool>()).prop_map(|(who, take_over)| Op::Attach { who, take_over }),
        2 => any::<bool>().prop_map(|drained| Op::Detach { drained }),
        1 => Just(Op::Drain),
        1 => (1_u32..6).prop_map(Op::Window),
        12 => prop::collection::vec((any::<u16>(), 0_u8..12), 1..6).prop_map(Op::Settle),
        4 => Just(Op::AckAll),
        3 => (any::<u16>(), 0_u8..12).prop_map(|(which, verb)| Op::SettleOld { which, verb }),
        1 => (any::<u16>(), 0_u8..4, 0_u8..12).prop_map(|(which, how, verb)| Op::Forge { which, how, verb }),
        6 => (0_u8..6).prop_map(Op::Wait),
        10 => prop::bool::weighted(0.75).prop_map(|succeeds| Op::LetGo { succeeds }),
        6 => Just(Op::LetAllGo),
        2 => any::<bool>().prop_map(|committed| Op::Crash { committed }),
        2 => (0_u8..4).prop_map(Op::Redrive),
        1 => (0_u8..4).prop_map(Op::Discard),
        2 => prop::bool::weighted(0.7).prop_map(Op::Permit),
        2 => prop::bool::weighted(0.3).prop_map(Op::Stall),
        1 => prop::bool::weighted(0.3).prop_map(Op::Pause),
        1 => Just(Op::Heartbeat),
        2 => Just(Op::Rest),
    ]
}

#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub total: bool,
    pub block: bool,
    pub max_attempts: u32,
    pub circuit: u32,
    pub max_in_flight: u32,
    pub max_span: u32,
    pub rate: u32,
    pub look_ahead: usize,
    pub batch: usize,
    /// Key and record of what was there when the subscription was made from a snapshot; empty = it starts at the earliest.
    pub before: Vec<(u8, u8)>,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let limits = (prop::sample::select(vec![2_u32, 3, 100]), prop::sample::select(vec![0_u32, 0, 4]));
    let sizes = (prop::sample::select(vec![3_u32, 1_000]), prop::sample::select(vec![5_u32, 1_000_000]));
    let reads = (prop::sample::select(vec![3_u32, 1_000]), prop::sample::select(vec![2_usize, 5, 1_000]), 1_usize..8);
    let snapshot = prop::collection::vec((0_u8..4, 0_u8..2), 0..8);
    let before = prop_oneof![2 => Just(Vec::new()), 1 => snapshot];
    (prop::bool::weighted(0.25), any::<bool>(), limits, sizes, reads, before).prop_map(
        |(total, block, (max_attempts, circuit), (max_in_flight, max_span), (rate, look_ahead, batch), before)| Shape {
            total,
            block,
            max_attempts,
            circuit,
            max_in_flight,
            max_span,
            rate,
            look_ahead,
            batch,
            before,
        },
    )
}

/// Verbs by number: mostly acks.
pub(super) fn verb_of(number: u8) -> Verb {
    match number {
        0..=5 => Verb::Ack,
        6 => retry("busy"),
        7 => Verb::Retry { delay_ms: 50, reason: "soon".into() },
        8 => retry("bad_data"),
        9 => Verb::Release,
        10 => reject("no"),
        _ => Verb::Extend { ms: 20_000 },
    }
}
