//! A set of positions in little memory: a million of them, scattered over ten million, take two to three megabytes.

use std::collections::BTreeMap;

use super::ids::Position;

/// Positions of one part of the set.
const PART: u64 = 4096;
/// So many positions of a part are listed; of more, a bitmap is kept, which then is no longer than the list.
const FEW: usize = 256;

/// A set of positions. Equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PositionSet {
    parts: BTreeMap<u64, Part>,
    count: u64,
}

/// What is set of a part, never nothing. At most [`FEW`] are always listed, so that equal parts are equal values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Offsets, ascending.
    Listed(Vec<u16>),
    Bits {
        words: Box<[u64; 64]>,
        count: usize,
    },
}

/// Part and offset of a position.
const fn place(position: Position) -> (u64, u16) {
    // The offset is below 4,096.
    (position / PART, (position % PART) as u16)
}

const fn bit(offset: u16) -> (usize, u64) {
    ((offset / 64) as usize, 1 << (offset % 64))
}

impl PositionSet {
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True when it is in the set.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        let (part, offset) = place(position);
        self.parts.get(&part).is_some_and(|part| part.contains(offset))
    }

    /// Adds one; false when it is there already.
    pub fn insert(&mut self, position: Position) -> bool {
        let (part, offset) = place(position);
        let is_new = self.parts.entry(part).or_insert_with(|| Part::Listed(Vec::new())).insert(offset);
        self.count += u64::from(is_new);
        is_new
    }

    /// Takes one out; false when it is not there.
    pub fn remove(&mut self, position: Position) -> bool {
        let (number, offset) = place(position);
        let Some(part) = self.parts.get_mut(&number) else { return false };
        let was_there = part.remove(offset);
        if part.is_empty() {
            self.parts.remove(&number);
        }
        self.count -= u64::from(was_there);
        was_there
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Position> {
        self.parts.iter().flat_map(|(number, part)| part.offsets().map(move |offset| number * PART + u64::from(offset)))
    }
}

impl FromIterator<Position> for PositionSet {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut set = Self::default();
        for position in positions {
            set.insert(position);
        }
        set
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(offsets) if offsets.is_empty())
    }

    fn contains(&self, offset: u16) -> bool {
        match self {
            Self::Listed(offsets) => offsets.binary_search(&offset).is_ok(),
            Self::Bits { words, .. } => {
                let (word, bit) = bit(offset);
                words[word] & bit != 0
            }
        }
    }

    fn insert(&mut self, offset: u16) -> bool {
        match self {
            Self::Listed(offsets) => {
                let Err(at) = offsets.binary_search(&offset) else { return false };
                offsets.insert(at, offset);
                if offsets.len() > FEW {
                    *self = Self::bits(offsets);
                }
            }
            Self::Bits { words, count } => {
                let (word, bit) = bit(offset);
                if words[word] & bit != 0 {
                    return false;
                }
                words[word] |= bit;
                *count += 1;
            }
        }
        true
    }

    fn remove(&mut self, offset: u16) -> bool {
        match self {
            Self::Listed(offsets) => {
                let Ok(at) = offsets.binary_search(&offset) else { return false };
                offsets.remove(at);
            }
            Self::Bits { words, count } => {
                let (word, bit) = bit(offset);
                if words[word] & bit == 0 {
                    return false;
                }
                words[word] &= !bit;
                *count -= 1;
                if *count <= FEW {
                    *self = Self::Listed(self.offsets().collect());
                }
            }
        }
        true
    }

    fn bits(offsets: &[u16]) -> Self {
        let mut words = Box::new([0; 64]);
        for offset in offsets {
            let (word, bit) = bit(*offset);
            words[word] |= bit;
        }
        Self::Bits { words, count: offsets.len() }
    }

    fn offsets(&self) -> impl Iterator<Item = u16> {
        let (listed, words) = match self {
            Self::Listed(offsets) => (Some(offsets.iter().copied()), None),
            Self::Bits { words, .. } => (None, Some(words)),
        };
        let set = words.into_iter().flat_map(|words| {
            (0..PART as u16).filter(|offset| {
                let (word, bit) = bit(*offset);
                words[word] & bit != 0
            })
        });
        listed.into_iter().flatten().chain(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Positions in few parts, so that lists become bitmaps and lists again.
    fn any_positions() -> impl Strategy<Value = Vec<(bool, Position)>> {
        let one = prop_oneof![8 => 4_000..4_700_u64, 1 => 0..20_000_u64, 1 => any::<u64>()];
        proptest::collection::vec((proptest::bool::weighted(0.7), one), 0..1_500)
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_put_in_and_not_taken_out(steps in any_positions()) {
            let (mut set, mut expected) = (PositionSet::default(), BTreeSet::new());
            for (adds, position) in steps {
                let (changed, expected) = if adds {
                    (set.insert(position), expected.insert(position))
                } else {
                    (set.remove(position), expected.remove(&position))
                };
                prop_assert_eq!(changed, expected);
                prop_assert!(set.contains(position) == adds);
            }
            prop_assert_eq!((set.len(), set.is_empty()), (expected.len() as u64, expected.is_empty()));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set, expected.into_iter().collect::<PositionSet>(), "however it came about");
        }
    }

    #[test]
    fn a_million_scattered_positions_are_small() {
        let set: PositionSet = (1..=1_000_000).map(|n| n * 10).collect();
        let size = |part: &Part| match part {
            Part::Listed(offsets) => offsets.capacity() * 2,
            Part::Bits { .. } => 512,
        };
        let bytes: usize = set.parts.values().map(|part| size(part) + 64).sum();
        assert!(set.len() == 1_000_000 && bytes < 3_000_000, "{bytes} bytes");
    }
}
