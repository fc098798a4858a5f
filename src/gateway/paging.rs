//! Page tokens: where a listing goes on. Opaque to clients, bound to the question, the caller, the ledger and the moment of the
//! first page, so that all pages together are one answer.
//!
//! A token holds no secret and grants nothing: rights are evaluated again for every page. The digest in it only makes sure that it
//! is used with the question it was made for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Refused, moment::Moment};
use crate::{
    domain::{digest::sha256, ids::Position},
    store::Identity,
};

const LENGTH: usize = 24 + 16;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// Moment of the first page.
    pub(super) moment: Moment,
    /// Last position that earlier pages have passed.
    pub(super) after: Position,
}

impl Page {
    /// Writes a token that is good for this question alone.
    pub(super) fn token(self, question: &[&str], ledger: &Identity) -> String {
        let mut bytes = self.place().to_vec();
        bytes.extend_from_slice(&self.seal(question, ledger));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it was not made for this question, by this ledger.
    pub(super) fn read(token: &str, question: &[&str], ledger: &Identity) -> Result<Self, Refused> {
        let page = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| {
            let bytes: [u8; LENGTH] = bytes.try_into().ok()?;
            let (place, seal) = bytes.split_at(24);
            let page = Self::at(place)?;
            (page.seal(question, ledger) == seal).then_some(page)
        });
        page.ok_or_else(|| {
            Refused::field(
                "page_token",
                "WRONG_PAGE_TOKEN",
                "翻页标记不是由同一查询得到的；请从第一页重新查询",
                "the token was not made for this question: ask again from the first page",
            )
        })
    }

    fn place(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let numbers = [self.moment.position.to_be_bytes(), self.moment.at.to_be_bytes(), self.after.to_be_bytes()];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number);
        }
        bytes
    }

    fn at(place: &[u8]) -> Option<Self> {
        let mut numbers = place.chunks_exact(8).filter_map(|chunk| <[u8; 8]>::try_from(chunk).ok());
        let position = u64::from_be_bytes(numbers.next()?);
        let at = i64::from_be_bytes(numbers.next()?);
        let after = u64::from_be_bytes(numbers.next()?);
        Some(Self { moment: Moment { position, at }, after })
    }

    fn seal(self, question: &[&str], ledger: &Identity) -> [u8; 16] {
        let generation = ledger.generation.to_be_bytes();
        let place = self.place();
        let lengths: Vec<[u8; 8]> = question.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        let mut parts: Vec<&[u8]> = vec![b"tongbao/page/v1", ledger.ledger_id.as_bytes(), &generation, &place];
        for (part, length) in question.iter().zip(&lengths) {
            parts.push(length);
            parts.push(part.as_bytes());
        }
        let mut seal = [0; 16];
        seal.copy_from_slice(&sha256(&parts)[..16]);
        seal
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ledger(generation: u64) -> Identity {
        Identity { ledger_id: "0123456789abcdef0123456789abcdef".into(), generation }
    }

    fn page() -> Page {
        Page { moment: Moment { position: 42, at: 1_600_000_000_000_000 }, after: 7 }
    }

    #[test]
    fn a_token_is_good_for_its_own_question_alone() {
        let token = page().token(&["gacc", "failed-products"], &ledger(1));
        assert_eq!(Page::read(&token, &["gacc", "failed-products"], &ledger(1)), Ok(page()));
        assert!(Page::read(&token, &["ndrc", "failed-products"], &ledger(1)).is_err());
        assert!(Page::read(&token, &["gacc", "failed-", "products"], &ledger(1)).is_err());
        assert!(Page::read(&token, &["gacc", "failed-products"], &ledger(2)).is_err());
    }

    #[test]
    fn a_changed_token_is_refused_whichever_character() {
        let token = page().token(&["gacc"], &ledger(1));
        for place in 0..token.len() {
            let mut changed: Vec<u8> = token.bytes().collect();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            // The last character has unused bits; the decoder refuses other values of them or reads the same bytes.
            assert_ne!(Page::read(&changed, &["gacc"], &ledger(1)).map(|page| page.after), Ok(8));
            assert!(Page::read(&changed, &["gacc"], &ledger(1)).is_err(), "{place}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,80}") {
            prop_assert!(Page::read(&text, &["gacc"], &ledger(1)).is_err());
        }
    }
}
