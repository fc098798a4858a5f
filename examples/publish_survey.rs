//! Reads a survey workbook, publishes its rows, and attests that the region is complete to now.
//!
//! ```sh
//! cargo run --example publish_survey -- PROFILE WORKBOOK PUBLISHER REGION
//! ```

use std::{error::Error, path::Path};

use tongbao::{
    client::{Connection, Profile, Published, Publisher, PublisherOptions},
    clock::World,
    domain::{dates::CivilDate, ids::ParticipantId, regions::Region, violation::Lang},
    intake,
    proto::AttestRequest,
    wire::publishable,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, workbook, publisher, region] = arguments.as_slice() else {
        return Err("PROFILE WORKBOOK PUBLISHER REGION".into());
    };
    let world = World::real();
    let profile = Profile::load(Some(profile))?;
    let connection = Connection::open(&profile, Lang::En, world.clock.clone())?;
    let published = publish_survey(&connection, Path::new(workbook), publisher, region, &world).await?;
    let new = published.records.iter().filter(|record| !record.duplicate).count();
    println!("{} rows, {new} new or changed, evidence entries {:?}", published.records.len(), published.evidence);
    Ok(())
}

/// Publishes all rows or none: a workbook with an error is refused before anything is sent.
///
/// # Errors
/// When the workbook has an error, or the gateway refuses or is not reached.
pub async fn publish_survey(
    connection: &Connection,
    workbook: &Path,
    publisher: &str,
    region: &str,
    world: &World,
) -> Result<Published, Box<dyn Error>> {
    let now = world.clock.now();
    let options = intake::Options {
        publisher: ParticipantId::parse(publisher)?,
        publisher_region: Region::parse(region),
        list_name: None,
        today: CivilDate::of_instant(now),
        published_on: None,
        allow_synthetic: true,
        accept_unknown_standard: false,
        mapping: tongbao::intake::Mapping::default(),
    };
    let bytes = std::fs::read(workbook)?;
    let reading = intake::read("survey.xlsx", &bytes, &options)?;
    if let Some((sheet, finding)) = reading.findings().find(|(_, finding)| finding.severity == intake::Severity::Error) {
        return Err(format!("{}!{}: {}", sheet.name, finding.cell, finding.text.get(Lang::En)).into());
    }
    let records = reading.valid().map(|(sheet, row, id, content)| {
        let provenance = reading.provenance(sheet, row);
        publishable(id, None, content, Some(&provenance))
    });

    // Sent again with the same ids until it is answered: an answer means that it is on disk.
    let publisher = Publisher::new(connection, PublisherOptions::default());
    let published = publisher.publish(records.collect(), |_| {}).await?;
    let attest = AttestRequest { feed: "enterprises".into(), region: region.into(), complete_to_us: now };
    publisher.attest(attest).await?;
    Ok(published)
}
