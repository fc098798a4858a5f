use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/vectors/credit_codes.csv");

fn verdict(input: &str) -> (&'static str, String) {
    match read_identifier(input) {
        Identifier::Absent => ("absent", String::new()),
        Identifier::Code { code, .. } if code.is_synthetic() => ("synthetic", code.to_string()),
        Identifier::Code { code, .. } => ("valid", code.to_string()),
        Identifier::Legacy(LegacyIdentifier::RegistrationNumber(_)) => ("legacy_registration_number", String::new()),
        Identifier::Legacy(LegacyIdentifier::OrganisationCode(_)) => ("legacy_organisation_code", String::new()),
        Identifier::Invalid(error) => match error.kind {
            CreditCodeErrorKind::Length(_) => ("invalid_length", String::new()),
            CreditCodeErrorKind::Character { .. } => ("invalid_character", String::new()),
            CreditCodeErrorKind::CheckCharacter | CreditCodeErrorKind::OrganisationCheck => {
                ("invalid_check_character", String::new())
            }
            CreditCodeErrorKind::Placeholder => ("invalid_placeholder", String::new()),
        },
    }
}

#[test]
fn every_vector_is_read_as_expected() {
    let mut count = 0;
    for row in csv::Reader::from_reader(VECTORS.as_bytes()).records() {
        let row = row.expect("a readable row");
        let (found, canonical) = verdict(&row[0]);
        assert_eq!((found, canonical.as_str()), (&row[1], &row[2]), "{:?}: {}", &row[0], &row[3]);
        count += 1;
    }
    assert_eq!(count, 40);
}

#[test]
fn letters_that_resemble_digits_are_suggested_and_never_corrected() {
    let error = CreditCode::parse("9144030072300929SR").expect_err("S is not in the alphabet");
    assert_eq!(error.kind, CreditCodeErrorKind::Character { place: 17, found: 'S' });
    assert_eq!(error.suggestion.as_deref(), Some("91440300723009295R"));
    assert!(error.text().zh.contains("91440300723009295R"));
    let error = CreditCode::parse("914403007230O9295R").expect_err("letter O");
    assert_eq!(error.suggestion.as_deref(), Some("91440300723009295R"));
    assert_eq!(CreditCode::parse("91440300723009295Q").expect_err("check").suggestion, None);
}

#[test]
fn synthetic_codes_are_those_of_the_examples() {
    assert_eq!(CreditCode::synthetic(330_600, 1).as_str(), "91330600PDY00001XP");
    assert_eq!(CreditCode::synthetic(440_300, 2).as_str(), "91440300PDY0000283");
    assert!(!CreditCode::parse("91440300723009295R").expect("valid").is_synthetic());
}

#[test]
fn an_unknown_region_is_a_remark_and_not_a_refusal() {
    let code = CreditCode::synthetic(100_000, 1);
    assert!(matches!(read_identifier(code.as_str()), Identifier::Code { region_known: false, normalised: false, .. }));
    assert_eq!(code.region_prefix(), "100000");
}

#[test]
fn the_organisation_code_is_a_part_of_the_code() {
    let code = CreditCode::parse("91440300723009295R").expect("valid");
    let legacy = LegacyIdentifier::parse("72300929-5").expect("valid");
    assert_eq!(code.organisation_code(), "723009295");
    assert!(legacy.is_part_of(&code));
}

proptest! {
    #[test]
    fn synthetic_codes_are_valid_and_distinct(region in 110_000_u32..660_000, n in 1_u32..1_000_000, other in 1_u32..1_000_000) {
        let code = CreditCode::synthetic(region, n);
        prop_assert_eq!(CreditCode::parse(code.as_str()), Ok(code));
        prop_assert!(code.is_synthetic());
        prop_assert_eq!(code == CreditCode::synthetic(region, other), n == other);
    }

    #[test]
    fn any_single_wrong_character_is_found(n in 1_u32..99_999, place in 0_usize..18, with in 0_usize..31) {
        let mut bytes = CreditCode::synthetic(330_100, n).0;
        prop_assume!(bytes[place] != ALPHABET[with]);
        bytes[place] = ALPHABET[with];
        prop_assert!(CreditCode::check(bytes).is_err());
    }

    #[test]
    fn reading_never_panics_and_codes_come_back_canonical(text in "\\PC{0,30}") {
        if let Identifier::Code { code, .. } = read_identifier(&text) {
            prop_assert_eq!(CreditCode::parse(code.as_str()), Ok(code));
        }
    }
}
