//! A place in a ledger that its reader holds. It names the ledger and its generation, so that it is never used on another in
//! silence.

use std::{fmt, str::FromStr};

use super::{ids::Position, violation::Text};

/// Everything at or below the position was read, or was not for the reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Ledger id: 32 lower-case hexadecimal characters.
    pub ledger_id: String,
    /// Generation of the ledger; a restore raises it.
    pub generation: u64,
    /// Last position passed; 0 = none.
    pub position: Position,
}

/// A cursor that this ledger cannot go on from, with what stands here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text().en)]
pub enum LostCursor {
    /// It is of another ledger: nothing of it can be found here.
    Foreign {
        /// The ledger it names.
        named: String,
        /// This ledger.
        stands: String,
    },
    /// The ledger was restored since: positions that were read may be gone or hold other revisions.
    Restored {
        /// The cursor.
        cursor: Cursor,
        /// Generation that stands.
        generation: u64,
        /// Head that stands.
        head: Position,
    },
    /// Positions that were read are not there any more, although nobody said that the ledger was restored.
    BeyondHead {
        /// Position of the cursor.
        position: Position,
        /// Head that stands.
        head: Position,
    },
}

impl Cursor {
    /// Whether reading can go on from here in a ledger of this id and generation with this head.
    ///
    /// # Errors
    /// What is lost, when it cannot.
    pub fn check(&self, ledger_id: &str, generation: u64, head: Position) -> Result<(), LostCursor> {
        if self.ledger_id != ledger_id {
            return Err(LostCursor::Foreign { named: self.ledger_id.clone(), stands: ledger_id.to_owned() });
        }
        if self.generation != generation {
            return Err(LostCursor::Restored { cursor: self.clone(), generation, head });
        }
        if self.position > head {
            return Err(LostCursor::BeyondHead { position: self.position, head });
        }
        Ok(())
    }
}

impl LostCursor {
    /// Stable token.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "FOREIGN_LEDGER",
            Self::Restored { .. } => "LEDGER_RESTORED",
            Self::BeyondHead { .. } => "CURSOR_BEYOND_HEAD",
        }
    }

    /// What was lost, and what to do.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::Foreign { named, stands } => Text::new(
                format!("游标属于台账 {}，本台账为 {stands}：其所指位置在此均不存在；请从头（earliest）读取", excerpt(named)),
                format!(
                    "the cursor is of the ledger {}, this is {stands}: none of its positions is here; read from the earliest",
                    excerpt(named)
                ),
            ),
            Self::Restored { cursor, generation, head } => {
                let (was, read) = (cursor.generation, cursor.position);
                let gone = read.saturating_sub(*head);
                Text::new(
                    format!(
                        "台账已恢复过（第 {was} 代 → 第 {generation} 代，现末位 {head}）：已读至 {read}，其中 {gone} 个位置已不存在，其余可能已是另外的记录；请从头（earliest）重读并核对"
                    ),
                    format!(
                        "the ledger was restored (generation {was}, now {generation} with the head {head}): of what was read up to {read}, {gone} positions are gone and others may hold other revisions; read again from the earliest and compare"
                    ),
                )
            }
            Self::BeyondHead { position, head } => {
                let gone = position - head;
                Text::new(
                    format!(
                        "游标在 {position}，台账末位为 {head}：已读的 {gone} 个位置已不存在；请告知网关管理员，并从头（earliest）重读"
                    ),
                    format!(
                        "the cursor stands at {position} and the ledger ends at {head}: {gone} positions that were read are gone; tell the administrators, and read again from the earliest"
                    ),
                )
            }
        }
    }
}

/// What a stranger named, in a length that a message can bear.
fn excerpt(named: &str) -> String {
    named.chars().take(40).collect()
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is written <ledger id>/<generation>/<position>")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.ledger_id, self.generation, self.position)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let mut parts = text.trim().split('/');
        let (Some(ledger_id), Some(generation), Some(position), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotACursor);
        };
        if ledger_id.len() != 32 || !ledger_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NotACursor);
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| NotACursor);
        Ok(Self { ledger_id: ledger_id.to_owned(), generation: number(generation)?, position: number(position)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEDGER: &str = "0123456789abcdef0123456789abcdef";

    fn cursor(generation: u64, position: Position) -> Cursor {
        Cursor { ledger_id: LEDGER.to_owned(), generation, position }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_ledger_as_it_stands() {
        assert_eq!(cursor(1, 7).check(LEDGER, 1, 7), Ok(()));
        assert_eq!(cursor(1, 0).check(LEDGER, 1, 0), Ok(()));
        let reason = |result: Result<(), LostCursor>| result.expect_err("lost").reason();
        assert_eq!(reason(cursor(1, 7).check("fedcba9876543210fedcba9876543210", 1, 7)), "FOREIGN_LEDGER");
        assert_eq!(reason(cursor(1, 7).check(LEDGER, 2, 7)), "LEDGER_RESTORED");
        assert_eq!(reason(cursor(2, 7).check(LEDGER, 1, 7)), "LEDGER_RESTORED");
        assert_eq!(reason(cursor(1, 8).check(LEDGER, 1, 7)), "CURSOR_BEYOND_HEAD");
    }

    #[test]
    fn what_was_lost_is_counted() {
        let text = |result: Result<(), LostCursor>| result.expect_err("lost").text().en;
        assert!(text(cursor(1, 10).check(LEDGER, 2, 7)).contains("3 positions are gone"));
        assert!(text(cursor(1, 5).check(LEDGER, 2, 7)).contains("0 positions are gone and others may hold other revisions"));
        assert!(text(cursor(1, 9).check(LEDGER, 1, 7)).contains("2 positions"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(generation: u64, position: u64) {
            let written = cursor(generation, position).to_string();
            prop_assert_eq!(written.parse(), Ok(cursor(generation, position)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f/]{0,80}|.{0,60}") {
            if let Ok(read) = text.parse::<Cursor>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }
}
