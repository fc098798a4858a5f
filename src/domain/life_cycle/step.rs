//! One step of a life cycle, and its compact form in the store.

use super::State;
use crate::domain::records::{Token, TrackChange};

/// What a revision does to the life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A nonconformity begins in this state.
    Begin(State),
    /// A disposition: a state change, a step on a track, both or neither.
    Change {
        /// `(from, to)`.
        state: Option<(State, State)>,
        /// Track step.
        track: Option<TrackChange>,
    },
}

// Places of the parts in the packed form. Append-only: stores keep these numbers. 0 always means "none".
const TAG: u32 = 0; // 2 bits: 1 = begin, 2 = change
const FROM: u32 = 4; // 4 bits: number of a state
const TO: u32 = 8; // 4 bits: number of a state
const TRACK: u32 = 12; // 4 bits
const TRACK_STEP: u32 = 16; // 2 bits
const SCOPE: u32 = 18; // 2 bits
const ALL_BITS: u32 = 0x000F_FFF3;

impl Step {
    /// The step as one number, as stores keep it.
    pub fn pack(&self) -> u32 {
        match *self {
            Self::Begin(state) => 1 << TAG | u32::from(state.number()) << TO,
            Self::Change { state, track } => {
                let states = state.map_or(0, |(from, to)| u32::from(from.number()) << FROM | u32::from(to.number()) << TO);
                let track = track.map_or(0, |change| {
                    place(change.track) << TRACK | place(change.step) << TRACK_STEP | place(change.scope) << SCOPE
                });
                2 << TAG | states | track
            }
        }
    }

    /// The step of that number; `None` = no step is packed so.
    pub fn unpack(packed: u32) -> Option<Self> {
        if packed & !ALL_BITS != 0 {
            return None;
        }
        let state = |at: u32| State::from_number((packed >> at & 0xF) as u8);
        let step = match packed >> TAG & 0x3 {
            1 => Self::Begin(state(TO)?),
            2 => {
                let track = at_place(packed >> TRACK & 0xF).and_then(|track| {
                    let step = at_place(packed >> TRACK_STEP & 0x3)?;
                    let scope = at_place(packed >> SCOPE & 0x3)?;
                    Some(TrackChange { track, step, scope })
                });
                Self::Change { state: state(FROM).zip(state(TO)), track }
            }
            _ => return None,
        };
        // What does not pack to the same number was damaged.
        (step.pack() == packed).then_some(step)
    }
}

/// Place among all values, from 1.
fn place<T: Token>(value: T) -> u32 {
    T::ALL.iter().position(|candidate| *candidate == value).map_or(0, |index| index as u32 + 1)
}

fn at_place<T: Token>(place: u32) -> Option<T> {
    T::ALL.get((place as usize).checked_sub(1)?).copied()
}
