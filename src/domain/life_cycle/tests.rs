use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::domain::records::{Token as _, TrackChange, TrackKind, TrackScope, TrackStep};

fn change(from: State, to: State) -> Step {
    Step::Change { state: Some((from, to)), track: None }
}

fn track(track: TrackKind, step: TrackStep, scope: TrackScope) -> Step {
    Step::Change { state: None, track: Some(TrackChange { track, step, scope }) }
}

/// The diagram that `docs/domain.md` shows.
fn diagram() -> String {
    let mut out = String::from("```mermaid\nstateDiagram-v2\n");
    for state in State::ALL {
        let _ = writeln!(out, "    {} : {}", state.token(), state.name_zh());
    }
    for state in State::ALL {
        for next in state.next().filter(|next| !next.is_recall()) {
            let seats = Seat::names(Seat::of_change(state, next)).zh;
            let _ = writeln!(out, "    {} --> {} : {seats}", state.token(), next.token());
        }
    }
    out + "```\n"
}

#[test]
fn the_diagram_in_the_documents_is_the_table_of_the_code() {
    let document = include_str!("../../../docs/domain.md");
    assert!(document.contains(&diagram()), "docs/domain.md should show:\n{}", diagram());
}

#[test]
fn tokens_and_numbers_come_back() {
    for state in State::ALL {
        assert_eq!(State::parse(state.token()), Some(state));
        assert_eq!(State::from_number(state.number()), Some(state));
    }
    assert_eq!((State::parse(""), State::from_number(0), State::from_number(14)), (None, None, None));
}

#[test]
fn any_state_that_is_not_terminal_may_be_taken_back() {
    for state in State::ALL {
        assert_eq!(state.may_become(State::Overturned), !state.is_terminal(), "{state:?}");
        assert_eq!(state.may_become(State::Disowned), !state.is_terminal(), "{state:?}");
    }
    let terminal: Vec<_> = State::ALL.into_iter().filter(|state| state.is_terminal()).collect();
    assert_eq!(terminal, [State::Revoked, State::Overturned, State::Disowned]);
}

#[test]
fn nothing_is_cleared_without_a_recheck() {
    let before_cleared: Vec<_> = State::ALL.into_iter().filter(|state| state.may_become(State::Cleared)).collect();
    assert_eq!(before_cleared, [State::Rechecking, State::RecheckFailed, State::Suspended]);
}

#[test]
fn holding_states_are_those_of_the_table() {
    let free: Vec<_> = State::ALL.into_iter().filter(|state| !state.is_holding()).collect();
    assert_eq!(free, [State::Detected, State::Cleared, State::Overturned, State::Disowned]);
}

#[test]
fn a_whole_life_folds() {
    let steps = [
        change(State::Confirmed, State::Ordered),
        track(TrackKind::Sealing, TrackStep::Open, TrackScope::Batch),
        track(TrackKind::Sealing, TrackStep::Extend, TrackScope::Batch),
        change(State::Ordered, State::Rechecking),
        track(TrackKind::Sealing, TrackStep::Close, TrackScope::Batch),
        track(TrackKind::Transfer, TrackStep::Open, TrackScope::Enterprise),
        change(State::Rechecking, State::Cleared),
    ];
    let standing = fold(State::Confirmed, &steps).expect("a legal life");
    assert_eq!(standing, Standing { state: State::Cleared, open_tracks: vec![(TrackKind::Transfer, TrackScope::Enterprise)] });
}

#[test]
fn illegal_steps_name_both_states_and_change_nothing() {
    let mut standing = Standing::begin(State::Detected);
    let error = standing.apply(&change(State::Detected, State::Cleared)).expect_err("not in the table");
    assert_eq!(error, IllegalStep::NotAllowed { from: State::Detected, to: State::Cleared });
    assert!(error.text().en.contains("`detected` may not become `cleared`"));
    let error = standing.apply(&change(State::Notified, State::Confirmed)).expect_err("it stands elsewhere");
    assert!(error.text().zh.contains("detected") && error.text().zh.contains("notified"));
    assert!(standing.apply(&Step::Begin(State::Detected)).is_err());
    assert!(standing.apply(&track(TrackKind::Recall, TrackStep::Close, TrackScope::Batch)).is_err());
    let both = Step::Change {
        state: Some((State::Detected, State::Notified)),
        track: Some(TrackChange { track: TrackKind::Recall, step: TrackStep::Close, scope: TrackScope::Batch }),
    };
    assert!(standing.apply(&both).is_err());
    assert_eq!(standing, Standing::begin(State::Detected));
}

#[test]
fn wordings_of_lists() {
    for (wording, state) in [
        ("已停止同种产品生产", Some(State::Ceased)),
        ("停产", Some(State::Ceased)),
        ("均不再生产同一产品", Some(State::Ceased)),
        ("整改复查中", Some(State::Rechecking)),
        ("复查合格", Some(State::Cleared)),
        ("复查仍不合格", Some(State::RecheckFailed)),
        ("已停产，复查合格", Some(State::Cleared)),
        ("责令停业整顿", Some(State::Suspended)),
        ("责令改正", Some(State::Ordered)),
        ("未停产", None),
        ("尚未复查合格", None),
        ("复检合格", None),
        ("/", None),
        ("", None),
        ("企业已整改", None),
    ] {
        assert_eq!(State::from_wording(wording), state, "{wording}");
    }
}

fn any_state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.as_slice())
}

fn any_step() -> impl Strategy<Value = Step> {
    let track =
        (prop::sample::select(TrackKind::ALL), prop::sample::select(TrackStep::ALL), prop::sample::select(TrackScope::ALL))
            .prop_map(|(track, step, scope)| TrackChange { track, step, scope });
    prop_oneof![
        any_state().prop_map(Step::Begin),
        (prop::option::of((any_state(), any_state())), prop::option::of(track))
            .prop_map(|(state, track)| Step::Change { state, track }),
    ]
}

proptest! {
    #[test]
    fn steps_come_back_from_their_number(step in any_step()) {
        prop_assert_eq!(Step::unpack(step.pack()), Some(step));
    }

    #[test]
    fn unpacking_never_panics_and_takes_only_what_was_packed(packed in any::<u32>()) {
        if let Some(step) = Step::unpack(packed) {
            prop_assert_eq!(step.pack(), packed);
        }
    }

    /// A model beside the machine: state by a set of allowed pairs, tracks by counting opens and closes.
    #[test]
    fn applying_steps_agrees_with_a_model(begin in any_state(), steps in prop::collection::vec(any_step(), 0..40)) {
        let mut standing = Standing::begin(begin);
        let mut open = std::collections::BTreeSet::new();
        let mut state = begin;
        for step in &steps {
            let before = standing.clone();
            let legal = match step {
                Step::Begin(_) => false,
                Step::Change { state: change, track } => {
                    change.is_none_or(|(from, to)| from == state && from.next().any(|next| next == to))
                        && track.is_none_or(|t| open.contains(&(t.track, t.scope)) == (t.step != TrackStep::Open))
                }
            };
            prop_assert_eq!(standing.apply(step).is_ok(), legal);
            if legal && let Step::Change { state: change, track } = step {
                state = change.map_or(state, |(_, to)| to);
                match track {
                    Some(t) if t.step == TrackStep::Open => { open.insert((t.track, t.scope)); }
                    Some(t) if t.step == TrackStep::Close => { open.remove(&(t.track, t.scope)); }
                    _ => {}
                }
            } else {
                prop_assert_eq!(&standing, &before);
            }
            prop_assert_eq!(standing.state, state);
            prop_assert_eq!(standing.open_tracks.iter().copied().collect::<std::collections::BTreeSet<_>>(), open.clone());
        }
    }
}
