//! Domain settings of the gateway: what configuration says about the matter itself.

use crate::{clock::World, domain::dates::CivilDate};

/// Most records of one batch.
pub const MAX_BATCH_RECORDS: usize = 1_000;
/// Most bytes of content of one batch.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// Domain settings.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Reserved synthetic codes (GB 11714 `PDY…`) are accepted: demonstrations and tests only.
    pub allow_synthetic: bool,
}

impl Policy {
    /// Today in Asia/Shanghai.
    pub fn today(&self, world: &World) -> CivilDate {
        CivilDate::of_instant(world.clock.now())
    }
}
