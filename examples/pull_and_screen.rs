//! Pulls the file of an enterprise, and screens a declaration of its goods.
//!
//! ```sh
//! cargo run --example pull_and_screen -- PROFILE CREDIT_CODE BATCH
//! ```

use std::error::Error;

use tongbao::{
    client::{ClientError, Connection, Profile, Records, Screening},
    clock::World,
    domain::violation::Lang,
    proto::{Declaration, DeclarationItem, GetEnterpriseRequest, Party, ScreenRequest, ScreenResponse, Verdict},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, code, batch] = arguments.as_slice() else { return Err("PROFILE CREDIT_CODE BATCH".into()) };
    let connection = Connection::open(&Profile::load(Some(profile))?, Lang::En, World::real().clock)?;
    let answer = pull_and_screen(&connection, code, batch).await?;
    println!("{}: screening {}", what_to_do(answer.verdict()), answer.screening_id);
    for reason in answer.items.iter().flat_map(|item| &item.reasons) {
        println!("  {reason:?}");
    }
    Ok(())
}

/// What is known of the maker, and what to do with a batch of its goods.
///
/// # Errors
/// When the gateway refuses or is not reached.
pub async fn pull_and_screen(connection: &Connection, code: &str, batch: &str) -> Result<ScreenResponse, ClientError> {
    let request =
        GetEnterpriseRequest { credit_code: code.into(), purpose: "export control".into(), ..GetEnterpriseRequest::default() };
    let answer = Records::new(connection).enterprise(request).await?;
    let (file, basis) = (answer.enterprise.unwrap_or_default(), answer.basis.unwrap_or_default());
    println!("{} {:?}: {} records, good to position {}", code, file.names, file.records.len(), basis.position);

    let item = DeclarationItem {
        goods_name: "日常防护型口罩".into(),
        hs_code: "6307900010".into(),
        batch: batch.into(),
        claimed_standard: "chinese".into(),
        ..DeclarationItem::default()
    };
    let maker = Party { credit_code: code.into(), ..Party::default() };
    let declaration =
        Declaration { maker: Some(maker), joint_declaration: "present".into(), items: vec![item], ..Declaration::default() };
    // The answer sees at least what the pull saw.
    let request = ScreenRequest { declaration: Some(declaration), min_position: basis.position, ..ScreenRequest::default() };
    Screening::new(connection).screen(request).await
}

/// The gateway informs; customs decides. Whatever is not CLEAR is for a person.
pub fn what_to_do(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear | Verdict::NotApplicable => "nothing known speaks against it",
        Verdict::Hold => "hold the goods",
        Verdict::Review | Verdict::Unknown | Verdict::Unspecified => "an officer has to look",
    }
}
