//! Who may take which step (domain.md §5, the column "set by").
//!
//! Organiser, handler, province and registrar are seats in one proceeding, not participants: one participant may hold several of
//! them, and who holds them follows from its role and region. Withdrawing one's own disposition needs no seat.

use super::{State, Step};
use crate::domain::{
    records::{Token, TrackChange, TrackKind},
    regions::Region,
    violation::Text,
};

/// A seat in the proceeding about one nonconformity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seat {
    /// 组织单位: who organised the inspection, that is who published the nonconformity.
    Organiser,
    /// 处置单位: a regulator competent where the producer is.
    Handler,
    /// 省级: the regulator of the producer's province, or of the nation.
    Province,
    /// 登记机关: a regulator competent where the producer was registered.
    Registrar,
}

/// For what an authority is competent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Whoever may publish may take every step: so configured.
    Unbounded,
    /// The national regulator: every seat.
    National,
    /// A regulator of one region; without one, of none.
    Regulator(Option<Region>),
    /// No regulator: a grant lets it publish, but it holds no seat.
    Other,
}

/// What seats in a proceeding depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proceeding {
    /// The one who acts published the nonconformity.
    pub is_own: bool,
    /// Where the producer is; `None` = not known, then every regulator may be its handler.
    pub region: Option<Region>,
    /// Where its credit code was registered.
    pub registered: Option<Region>,
}

impl Seat {
    const fn name_zh(self) -> &'static str {
        match self {
            Self::Organiser => "组织单位",
            Self::Handler => "处置单位",
            Self::Province => "省级监管部门",
            Self::Registrar => "登记机关",
        }
    }

    const fn token(self) -> &'static str {
        match self {
            Self::Organiser => "organiser",
            Self::Handler => "handler",
            Self::Province => "province",
            Self::Registrar => "registrar",
        }
    }

    /// The seats that may make this change of state, any of them.
    pub const fn of_change(from: State, to: State) -> &'static [Self] {
        match to {
            // A clearance is revoked by whoever gave it, or by who organised the inspection.
            State::Confirmed if matches!(from, State::Cleared) => &[Self::Organiser, Self::Handler],
            State::Detected | State::Notified | State::Disputed | State::Confirmed | State::Overturned | State::Disowned => {
                &[Self::Organiser]
            }
            State::Ordered | State::Ceased | State::Rechecking | State::Suspended | State::Cleared => &[Self::Handler],
            State::RecheckFailed => &[Self::Province],
            State::Revoked => &[Self::Registrar, Self::Handler],
        }
    }

    /// The seats that may take a step on this track.
    pub const fn of_track(track: TrackKind) -> &'static [Self] {
        match track {
            TrackKind::Sealing | TrackKind::Seizure | TrackKind::Case | TrackKind::Transfer => &[Self::Handler],
            TrackKind::Recall | TrackKind::MeltblownTrace | TrackKind::FollowUp => &[Self::Handler, Self::Organiser],
        }
    }

    /// The names of seats, as the diagram and refusals say them.
    pub fn names(seats: &[Self]) -> Text {
        let join = |name: fn(Self) -> &'static str, by: &str| seats.iter().map(|seat| name(*seat)).collect::<Vec<_>>().join(by);
        Text::new(join(Self::name_zh, "或"), join(Self::token, " or "))
    }
}

impl Authority {
    /// True when it holds the seat.
    pub fn holds(self, seat: Seat, proceeding: Proceeding) -> bool {
        if seat == Seat::Organiser && proceeding.is_own {
            return true;
        }
        let own = match self {
            Self::Unbounded | Self::National => return true,
            Self::Other | Self::Regulator(None) => return false,
            Self::Regulator(Some(own)) => own,
        };
        let competent = |region: Option<Region>| region.is_none_or(|region| own.covers(region));
        match seat {
            Seat::Organiser => false,
            Seat::Handler => competent(proceeding.region),
            Seat::Province => own == own.province() && competent(proceeding.region),
            Seat::Registrar => proceeding.registered.is_some_and(|region| own.covers(region)),
        }
    }

    /// Whether it may take a step.
    ///
    /// # Errors
    /// The part of the step for which it holds no seat.
    pub fn may_take(self, step: &Step, proceeding: Proceeding) -> Result<(), NotCompetent> {
        let Step::Change { state, track } = *step else { return Ok(()) };
        let any = |seats: &[Seat]| seats.iter().any(|seat| self.holds(*seat, proceeding));
        if let Some((from, to)) = state.filter(|(from, to)| !any(Seat::of_change(*from, *to))) {
            return Err(NotCompetent::ForState { from, to });
        }
        match track.filter(|change| !any(Seat::of_track(change.track))) {
            Some(change) => Err(NotCompetent::ForTrack(change)),
            None => Ok(()),
        }
    }
}

/// A step that is another authority's to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCompetent {
    /// A change of state.
    #[error("not competent to go from {from:?} to {to:?}")]
    ForState {
        /// From.
        from: State,
        /// To.
        to: State,
    },
    /// A step on a track.
    #[error("not competent for {0:?}")]
    ForTrack(TrackChange),
}

impl NotCompetent {
    /// Whose step it is.
    pub fn text(&self) -> Text {
        match *self {
            Self::ForState { from, to } => {
                let seats = Seat::names(Seat::of_change(from, to));
                Text::new(
                    format!(
                        "由“{}”（{}）变为“{}”（{}）须由{}办理；本单位不具有该职权",
                        from.name_zh(),
                        from.token(),
                        to.name_zh(),
                        to.token(),
                        seats.zh
                    ),
                    format!("from `{}` to `{}` is a step of the {}, which you are not", from.token(), to.token(), seats.en),
                )
            }
            Self::ForTrack(TrackChange { track, step, .. }) => {
                let seats = Seat::names(Seat::of_track(track));
                Text::new(
                    format!("“{}”的“{}”须由{}办理；本单位不具有该职权", track.name_zh(), step.name_zh(), seats.zh),
                    format!("to {} the track `{}` is a step of the {}, which you are not", step.token(), track.token(), seats.en),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Option<Region> {
        Region::parse(code)
    }

    fn shaoxing(is_own: bool) -> Proceeding {
        Proceeding { is_own, region: region("330600"), registered: region("440100") }
    }

    fn change(from: State, to: State) -> Step {
        Step::Change { state: Some((from, to)), track: None }
    }

    fn may(authority: Authority, from: State, to: State, proceeding: Proceeding) -> bool {
        authority.may_take(&change(from, to), proceeding).is_ok()
    }

    #[test]
    fn who_organised_decides_whether_it_failed_and_nobody_else_but_the_nation() {
        let organiser = Authority::Regulator(region("440000"));
        for (from, to) in [
            (State::Detected, State::Notified),
            (State::Notified, State::Disputed),
            (State::Disputed, State::Confirmed),
            (State::Ordered, State::Overturned),
            (State::Confirmed, State::Disowned),
        ] {
            assert!(may(organiser, from, to, shaoxing(true)), "{from:?} {to:?}");
            assert!(!may(Authority::Regulator(region("330000")), from, to, shaoxing(false)), "{from:?} {to:?}");
            assert!(may(Authority::National, from, to, shaoxing(false)), "{from:?} {to:?}");
        }
    }

    #[test]
    fn the_handler_is_competent_where_the_producer_is_and_clears_alone() {
        for (from, to) in [
            (State::Confirmed, State::Ordered),
            (State::Ordered, State::Ceased),
            (State::Ceased, State::Rechecking),
            (State::Rechecking, State::Cleared),
            (State::RecheckFailed, State::Suspended),
        ] {
            for (own, expected) in [("330000", true), ("330600", true), ("330100", false), ("440000", false)] {
                assert_eq!(may(Authority::Regulator(region(own)), from, to, shaoxing(false)), expected, "{own} {from:?} {to:?}");
            }
            assert!(
                !may(Authority::Regulator(region("440000")), from, to, shaoxing(true)),
                "the organiser elsewhere is no handler"
            );
        }
        let unknown = Proceeding { region: None, ..shaoxing(false) };
        assert!(may(Authority::Regulator(region("440000")), State::Rechecking, State::Cleared, unknown));
    }

    #[test]
    fn a_failed_recheck_is_announced_by_the_province() {
        for (own, expected) in [("330000", true), ("330600", false), ("440000", false)] {
            let authority = Authority::Regulator(region(own));
            assert_eq!(may(authority, State::Rechecking, State::RecheckFailed, shaoxing(false)), expected, "{own}");
        }
        let corps = Proceeding { is_own: false, region: region("659001"), registered: None };
        assert!(may(Authority::Regulator(region("66")), State::Rechecking, State::RecheckFailed, corps));
    }

    #[test]
    fn a_licence_is_revoked_where_it_was_registered_or_by_the_handler() {
        for (own, expected) in [("440000", true), ("330000", true), ("370000", false)] {
            let authority = Authority::Regulator(region(own));
            assert_eq!(may(authority, State::Suspended, State::Revoked, shaoxing(false)), expected, "{own}");
        }
    }

    #[test]
    fn a_revoked_clearance_is_of_either() {
        let (from, to) = (State::Cleared, State::Confirmed);
        assert!(may(Authority::Regulator(region("330600")), from, to, shaoxing(false)));
        assert!(may(Authority::Regulator(region("440000")), from, to, shaoxing(true)));
        assert!(!may(Authority::Regulator(region("370000")), from, to, shaoxing(false)));
    }

    #[test]
    fn tracks_are_the_handlers_and_some_the_organisers_too() {
        let open = |track| Step::Change {
            state: None,
            track: Some(TrackChange {
                track,
                step: crate::domain::records::TrackStep::Open,
                scope: crate::domain::records::TrackScope::Batch,
            }),
        };
        let organiser = Authority::Regulator(region("440000"));
        assert!(organiser.may_take(&open(TrackKind::Recall), shaoxing(true)).is_ok());
        let error = organiser.may_take(&open(TrackKind::Seizure), shaoxing(true)).expect_err("not the handler");
        assert!(error.text().zh.contains("处置单位") && error.text().en.contains("seizure"), "{error:?}");
        assert!(Authority::Regulator(region("330600")).may_take(&open(TrackKind::Seizure), shaoxing(false)).is_ok());
    }

    #[test]
    fn without_a_seat_only_measures_are_free_and_a_grant_gives_none() {
        let measure = Step::Change { state: None, track: None };
        for authority in [Authority::Other, Authority::Regulator(None)] {
            assert!(authority.may_take(&measure, shaoxing(false)).is_ok());
            assert!(!may(authority, State::Confirmed, State::Ordered, shaoxing(false)));
        }
        assert!(may(Authority::Unbounded, State::Confirmed, State::Ordered, shaoxing(false)));
        assert!(may(Authority::Other, State::Detected, State::Notified, shaoxing(true)), "its own record");
    }

    /// Every step of the table has somebody who may take it, and both states stand in the refusal.
    #[test]
    fn every_step_of_the_table_has_a_seat() {
        for from in State::ALL {
            for to in from.next() {
                assert!(!Seat::of_change(from, to).is_empty());
                let text = NotCompetent::ForState { from, to }.text();
                assert!(text.en.contains(from.token()) && text.en.contains(to.token()), "{}", text.en);
            }
        }
    }
}
