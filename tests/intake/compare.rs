//! What sending a reading would change.

use std::collections::BTreeMap;

use tongbao::{
    domain::{
        digest::{Digest, sha256},
        ids::RecordId,
        names::strict_key,
        records::Content,
    },
    intake::{Change, Standing, compare, comparison_to_json, render_comparison},
};

use super::*;

fn digest_of(content: &Content) -> Digest {
    sha256(&[format!("{content:?}").as_bytes()])
}

fn standing_of(reading: &Reading) -> BTreeMap<RecordId, Standing> {
    reading
        .valid()
        .map(|(.., id, content)| {
            let Matter::Nonconformity(failure) = &content.matter else { panic!("a list") };
            (id.clone(), Standing { revision: 3, digest: digest_of(content), name_key: strict_key(&failure.producer.name) })
        })
        .collect()
}

#[test]
fn new_changed_same_missing_and_another_producer() {
    let reading = read_file("failed_list_national.xlsx");
    let mut standing = standing_of(&reading);
    let id = |row: u32| RecordId::parse(&format!("amr-330000/2020-04-list/{row}")).expect("an id");
    standing.remove(&id(3));
    standing.get_mut(&id(4)).expect("row 4").digest = [0; 32];
    let fifth = standing.get_mut(&id(5)).expect("row 5");
    (fifth.digest, fifth.name_key) = ([0; 32], "另一家".to_owned());
    let gone = standing[&id(6)].clone();
    standing.insert(id(99), gone);
    let comparison = compare(&reading, &digest_of, Some(&standing));
    let changes: Vec<Change> = comparison.rows.iter().map(|(.., change)| *change).collect();
    assert_eq!(
        changes,
        [Change::New, Change::Changed(3), Change::OtherProducer(3), Change::Same(3), Change::Same(3), Change::Same(3)]
    );
    assert_eq!(comparison.missing, [id(99)]);
    let json = comparison_to_json(&comparison);
    assert_eq!(
        (&json["rows"][2]["change"], &json["missing"][0]),
        (&"other_producer".into(), &"amr-330000/2020-04-list/99".into())
    );
    assert!(render_comparison(&comparison, Lang::En).contains("to be confirmed"));
}

#[test]
fn offline_nothing_is_known_of_what_stands() {
    let reading = read_file("failed_list_national.xlsx");
    let comparison = compare(&reading, &digest_of, None);
    assert!(comparison.rows.iter().all(|(.., change)| *change == Change::Unknown) && comparison.missing.is_empty());
    assert!(render_comparison(&comparison, Lang::Zh).contains("未知（离线）"));
}
