//! Customs districts (关区) and declaration numbers.

use std::sync::LazyLock;

use super::tables::rows;

const DISTRICTS: &str = include_str!("../../data/customs_districts.csv");

static KNOWN: LazyLock<Vec<(String, String)>> =
    LazyLock::new(|| rows::<3>(DISTRICTS).map(|[code, name, _]| (code, name)).collect());

/// Name of the district that a four-digit customs code belongs to: offices of a district share its first two digits, so the district
/// `2200` is found for the office `2225`. `None` = not in the table.
pub fn district_name(office: &str) -> Option<&'static str> {
    let district = office.get(..2)?;
    let by = |wanted: &str| KNOWN.iter().find(|(code, _)| code.starts_with(wanted)).map(|(_, name)| name.as_str());
    by(office).or_else(|| by(district))
}

/// True for four digits.
pub fn is_office_code(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())
}

/// True for an export declaration number of the single window: 18 digits, of which the ninth is 0 for export (1 = import).
pub fn is_export_declaration(text: &str) -> bool {
    text.len() == 18 && text.bytes().all(|b| b.is_ascii_digit()) && text.as_bytes().get(8) == Some(&b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn districts_are_found_for_their_offices() {
        assert_eq!(KNOWN.len(), 42);
        assert_eq!(district_name("2200"), Some("上海海关"));
        assert_eq!(district_name("2225"), Some("上海海关"));
        assert_eq!(district_name("9999"), None);
        assert_eq!(district_name("上海"), None);
    }

    #[test]
    fn declaration_numbers_are_18_digits_of_export() {
        assert!(is_export_declaration("220120200123456789"));
        assert!(!is_export_declaration("220120201123456789"));
        assert!(!is_export_declaration("22012020012345678"));
        assert!(!is_export_declaration("22012020012345678X"));
    }
}
