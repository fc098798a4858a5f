//! The list desk over a real store: what stands on the lists, to whom, when, and what is signed and recorded of it.

use tongbao::{
    domain::{
        digest::hex,
        evidence::{ActKind, SignedNote, VerifierKey},
        life_cycle::State,
        lists::{ListName, ListStatement, digest_of},
        records::{Matter, Nonconformity, examples},
    },
    gateway::{
        Class,
        lists::ExportedList,
        moment::{AsOf, Asking},
    },
};

use crate::house::{House, asking, caller, id};

fn nonconformity(n: u64, initial_state: State) -> Matter {
    Matter::Nonconformity(Box::new(Nonconformity { initial_state, ..examples::nonconformity(n) }))
}

fn step(of: &str, from: State, to: State) -> Matter {
    Matter::Disposition(Box::new(examples::disposition(id(of), from, to)))
}

fn column(list: &ExportedList, token: &str) -> Vec<String> {
    let at = list.list.columns().iter().position(|(name, _)| *name == token).expect("a column");
    list.rows.iter().map(|row| row[at].clone()).collect()
}

async fn house() -> House {
    let house = House::open().await;
    house.publish("amr-330000/a", nonconformity(5, State::Confirmed)).await;
    house.publish("amr-330000/b", nonconformity(10, State::Rechecking)).await;
    let hidden = Nonconformity { initial_state: State::Detected, published_on: None, ..examples::nonconformity(15) };
    house.publish("amr-330000/c", Matter::Nonconformity(Box::new(hidden))).await;
    house.publish("amr-330000/cleared", step("amr-330000/b", State::Rechecking, State::Cleared)).await;
    house.publish("mofcom/q", Matter::ExportQualification(Box::new(examples::qualification(5)))).await;
    house.attest().await;
    house
}

#[tokio::test]
async fn the_deny_list_tells_how_far_each_entry_reaches_at_any_position() {
    let house = house().await;
    let list = house.lists.export(&caller("gacc"), ListName::Deny, &asking()).await.expect("a list");
    assert_eq!(column(&list, "record_id"), ["amr-330000/a", "amr-330000/b"]);
    assert_eq!(column(&list, "reach"), ["product", "batch"]);
    assert_eq!(column(&list, "state"), ["confirmed", "cleared"]);
    assert_eq!(column(&list, "credit_code")[0], examples::credit_code(5).to_string());
    let before = Asking { as_of: AsOf::Position(3), ..asking() };
    let earlier = house.lists.export(&caller("gacc"), ListName::Deny, &before).await.expect("a list");
    assert_eq!(column(&earlier, "reach"), ["product", "product"]);
    assert_eq!(earlier.statement.position, 3);
    house.publish("amr-330000/o", step("amr-330000/a", State::Confirmed, State::Overturned)).await;
    let after = house.lists.export(&caller("gacc"), ListName::Deny, &asking()).await.expect("a list");
    assert_eq!(column(&after, "record_id"), ["amr-330000/b"], "what was overturned is gone");
}

#[tokio::test]
async fn the_allow_list_holds_what_is_valid_and_is_for_those_who_may_read_it() {
    let house = house().await;
    let list = house.lists.export(&caller("gacc"), ListName::Allow, &asking()).await.expect("a list");
    assert_eq!(column(&list, "record_id"), ["mofcom/q"]);
    let refused = house.lists.export(&caller("ndrc"), ListName::Allow, &asking()).await.expect_err("not theirs");
    assert_eq!(refused.class, Class::PermissionDenied);
}

#[tokio::test]
async fn a_list_is_recorded_with_its_digest_and_signed() {
    let house = house().await;
    house.put_regime_in_force();
    let list = house.lists.export(&caller("gacc"), ListName::Deny, &asking()).await.expect("a list");
    let entry = house.evidence(list.basis.evidence_index).await;
    let columns: Vec<String> = list.list.columns().iter().map(|(token, _)| (*token).to_owned()).collect();
    let digest = digest_of(&columns, &list.rows);
    assert_eq!((entry.kind, entry.participant.as_str()), (ActKind::Pull, "gacc"));
    assert_eq!(entry.subjects, ["list:deny".to_owned(), format!("sha256:{}", hex(&digest))]);
    let key = VerifierKey::parse(&list.verifier_key).expect("a key");
    let note = SignedNote::parse(&list.note).expect("a note");
    note.verify(&key).expect("signed");
    let said = ListStatement::parse(note.text()).expect("a statement");
    assert_eq!(said, list.statement);
    assert_eq!((said.digest, said.rows, said.evidence_index), (digest, 2, list.basis.evidence_index));
    assert!(said.regime_in_force && said.regime_version.starts_with("announcement-12-2020:"));
    assert_eq!(
        said.attested.iter().map(|one| (one.publisher.as_str(), one.region.as_str(), one.stale)).collect::<Vec<_>>(),
        [("amr-330000", "330000", false)]
    );
    let changed = list.note.replacen("rows 2", "rows 1", 1);
    assert!(SignedNote::parse(&changed).expect("a note").verify(&key).is_err());
}
