//! Where a nonconformity stands: the fold of its first state and the steps after it.

use super::{State, Step};
use crate::domain::{
    records::{Token as _, TrackChange, TrackKind, TrackScope, TrackStep},
    violation::Text,
};

/// Where a nonconformity stands after its dispositions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Current state.
    pub state: State,
    /// Tracks that are open, with their scope, in the order they were opened.
    pub open_tracks: Vec<(TrackKind, TrackScope)>,
}

/// A step that the life cycle does not allow. Nothing of it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalStep {
    /// A nonconformity begins once.
    #[error("it has begun already and stands in {stands:?}")]
    BeginsTwice {
        /// Where it stands.
        stands: State,
    },
    /// It does not stand where the step comes from.
    #[error("the step is from {from:?} to {to:?}, but it stands in {stands:?}")]
    StandsElsewhere {
        /// Where it stands.
        stands: State,
        /// Where the step comes from.
        from: State,
        /// Where the step leads.
        to: State,
    },
    /// The table has no such step.
    #[error("{from:?} may not become {to:?}")]
    NotAllowed {
        /// Where it stands.
        from: State,
        /// Where the step leads.
        to: State,
    },
    /// A track of that scope is open already.
    #[error("the track {track:?} is open already for the {scope:?}")]
    AlreadyOpen {
        /// Track.
        track: TrackKind,
        /// Scope.
        scope: TrackScope,
    },
    /// The track that is to be extended or closed is not open with that scope.
    #[error("the track {track:?} is not open for the {scope:?}")]
    NotOpen {
        /// Track.
        track: TrackKind,
        /// Scope.
        scope: TrackScope,
    },
}

impl IllegalStep {
    /// What stands, what was asked, what would be possible.
    pub fn text(&self) -> Text {
        match *self {
            Self::BeginsTwice { stands } => Text::new(
                format!("该不合格记录已处于“{}”（{}），不能重新开始", stands.name_zh(), stands.token()),
                format!("the nonconformity has begun already and stands in `{}`", stands.token()),
            ),
            Self::StandsElsewhere { stands, from, to } => Text::new(
                format!(
                    "该不合格记录处于“{}”（{}），不是“{}”（{}），不能由此变为“{}”（{}）；请重新读取后再办理",
                    stands.name_zh(),
                    stands.token(),
                    from.name_zh(),
                    from.token(),
                    to.name_zh(),
                    to.token()
                ),
                format!(
                    "the nonconformity stands in `{}`, not in `{}`, so it cannot go from there to `{}`; read it again and decide anew",
                    stands.token(),
                    from.token(),
                    to.token()
                ),
            ),
            Self::NotAllowed { from, to } => {
                let next: Vec<_> = from.next().map(State::token).collect();
                let next = if next.is_empty() { "-".to_owned() } else { next.join(", ") };
                Text::new(
                    format!(
                        "“{}”（{}）不能变为“{}”（{}）；可以变为：{next}",
                        from.name_zh(),
                        from.token(),
                        to.name_zh(),
                        to.token()
                    ),
                    format!("`{}` may not become `{}`; it may become: {next}", from.token(), to.token()),
                )
            }
            Self::AlreadyOpen { track, scope } => Text::new(
                format!("“{}”（范围：{}）已在进行中，请先结束或改为延长", track.name_zh(), scope.name_zh()),
                format!("the track `{}` with scope `{}` is open already; extend or close it", track.token(), scope.token()),
            ),
            Self::NotOpen { track, scope } => Text::new(
                format!("没有进行中的“{}”（范围：{}），不能延长或结束", track.name_zh(), scope.name_zh()),
                format!("there is no open track `{}` with scope `{}` to extend or close", track.token(), scope.token()),
            ),
        }
    }
}

impl Standing {
    /// The beginning: any state may be the first, since lists are imported late.
    pub const fn begin(state: State) -> Self {
        Self { state, open_tracks: Vec::new() }
    }

    /// Applies one step, wholly or not at all.
    ///
    /// # Errors
    /// When the life cycle does not allow it from here; nothing is changed then.
    pub fn apply(&mut self, step: &Step) -> Result<(), IllegalStep> {
        let Step::Change { state, track } = *step else {
            return Err(IllegalStep::BeginsTwice { stands: self.state });
        };
        let next = state.map(|(from, to)| self.state_after(from, to)).transpose()?;
        if let Some(change) = track {
            self.change_track(change)?;
        }
        if let Some(next) = next {
            self.state = next;
        }
        Ok(())
    }

    fn state_after(&self, from: State, to: State) -> Result<State, IllegalStep> {
        if self.state != from {
            return Err(IllegalStep::StandsElsewhere { stands: self.state, from, to });
        }
        if !from.may_become(to) {
            return Err(IllegalStep::NotAllowed { from, to });
        }
        Ok(to)
    }

    fn change_track(&mut self, TrackChange { track, step, scope }: TrackChange) -> Result<(), IllegalStep> {
        let open = self.open_tracks.iter().position(|entry| *entry == (track, scope));
        match (step, open) {
            (TrackStep::Open, None) => self.open_tracks.push((track, scope)),
            (TrackStep::Open, Some(_)) => return Err(IllegalStep::AlreadyOpen { track, scope }),
            (TrackStep::Extend, Some(_)) => {}
            (TrackStep::Close, Some(index)) => {
                self.open_tracks.remove(index);
            }
            (TrackStep::Extend | TrackStep::Close, None) => return Err(IllegalStep::NotOpen { track, scope }),
        }
        Ok(())
    }
}

/// Where a nonconformity stands that began in `begin` and took these steps.
///
/// # Errors
/// At the first step that the life cycle does not allow.
pub fn fold<'a>(begin: State, steps: impl IntoIterator<Item = &'a Step>) -> Result<Standing, IllegalStep> {
    let mut standing = Standing::begin(begin);
    for step in steps {
        standing.apply(step)?;
    }
    Ok(standing)
}
