//! Domain settings of the gateway: what configuration says about the matter itself.

use crate::{
    clock::World,
    domain::{
        dates::CivilDate,
        deadlines::Deadlines,
        grants::{Participant, ParticipantRole},
        life_cycle::Authority,
    },
};

/// Most records of one batch.
pub const MAX_BATCH_RECORDS: usize = 1_000;
/// Most bytes of content of one batch.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// Domain settings.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Reserved synthetic codes (GB 11714 `PDY…`) are accepted: demonstrations and tests only.
    pub allow_synthetic: bool,
    /// Whoever may publish may take every step of a life cycle, whatever its role and region.
    pub any_regulator_disposes: bool,
    /// How long each duty may take.
    pub deadlines: Deadlines,
}

impl Policy {
    /// For which steps of a life cycle a participant is competent.
    pub fn authority(&self, participant: Option<&Participant>) -> Authority {
        if self.any_regulator_disposes {
            return Authority::Unbounded;
        }
        match participant.map(|participant| (participant.role, participant.region)) {
            Some((ParticipantRole::NationalRegulator, _)) => Authority::National,
            Some((ParticipantRole::Regulator, region)) => Authority::Regulator(region),
            _ => Authority::Other,
        }
    }

    /// Today in Asia/Shanghai.
    pub fn today(&self, world: &World) -> CivilDate {
        CivilDate::of_instant(world.clock.now())
    }
}
