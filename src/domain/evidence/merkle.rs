//! The tree of RFC 6962 §2.1 with SHA-256: hashes, roots, and the right edge that grows with each entry.
//!
//! Invariant: a *complete* subtree (level, index) covers leaves `index · 2^level .. (index + 1) · 2^level`; once complete its hash
//! never changes. The ragged rest on the right is always a fold of complete subtrees, so that nothing else needs to be kept.

use crate::domain::digest::{Digest, sha256};

/// A complete subtree: level (0 = a leaf) and index in that level, from 0. Leaf hashes are at level 0.
pub type NodeId = (u8, u64);

/// Stores keep the hashes of complete subtrees at multiples of this level (and the leaf hashes at level 0): one row in 256 entries,
/// and no subtree is more than 128 hashes away.
pub const STORED_LEVELS: u8 = 8;

/// Hash of a leaf: SHA-256 over 0x00 and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256(&[&[0], entry])
}

/// Hash of an inner node: SHA-256 over 0x01 and both children.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left, right])
}

/// Root of the tree without leaves: SHA-256 over nothing.
#[must_use]
pub fn empty_root() -> Digest {
    sha256(&[])
}

/// Root of the tree over these leaf hashes.
#[must_use]
pub fn tree_root(leaf_hashes: impl IntoIterator<Item = Digest>) -> Digest {
    let mut frontier = Frontier::default();
    for leaf in leaf_hashes {
        frontier.append(leaf);
    }
    frontier.root()
}

/// Root of the tree whose entries are record digests, in order: what an entry says of the records it is about.
#[must_use]
pub fn records_root(digests: &[Digest]) -> Digest {
    tree_root(digests.iter().map(|digest| leaf_hash(digest)))
}

/// Folds the hashes of neighbouring complete subtrees, left to right and falling in size, into the hash of the range they cover.
/// `None` when there are none.
pub(super) fn fold(hashes: &[Digest]) -> Option<Digest> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// The stored hashes that a complete subtree is computed from: `count` neighbours at a level that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredParts {
    /// A multiple of [`STORED_LEVELS`]; 0 = leaf hashes.
    pub level: u8,
    /// Index of the first at that level.
    pub first: u64,
    /// How many: a power of two, at most 128.
    pub count: u64,
}

/// What to read to compute a complete subtree; hand the hashes to [`complete_root`].
#[must_use]
pub fn stored_parts((level, index): NodeId) -> StoredParts {
    let kept = level / STORED_LEVELS * STORED_LEVELS;
    let rise = level - kept;
    StoredParts { level: kept, first: index << rise, count: 1 << rise }
}

/// Hash of a complete subtree from the hashes of its parts at one lower level; `None` unless their number is a power of two.
#[must_use]
pub fn complete_root(parts: &[Digest]) -> Option<Digest> {
    if !parts.len().is_power_of_two() {
        return None;
    }
    let mut row = parts.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.pop()
}

/// Complete subtrees that cover leaves `start..end`, left to right. `start` must be a multiple of the largest of them, which holds
/// for every range that occurs in a proof.
pub(super) fn cover(mut start: u64, end: u64, out: &mut Vec<NodeId>) {
    while start < end {
        let fits = (end - start).ilog2();
        let level = if start == 0 { fits } else { fits.min(start.trailing_zeros()) };
        out.push((level as u8, start >> level));
        start += 1 << level;
    }
}

/// A subtree that has just become complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Which.
    pub node: NodeId,
    /// Its hash.
    pub hash: Digest,
}

/// The right edge of the growing tree: the complete subtrees that cover it, left to right, falling in size. Kept in the head row;
/// all that an append needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    edge: Vec<Digest>,
}

/// Bytes that are no frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the right edge of a tree: its length does not fit its size")]
pub struct DamagedFrontier;

impl Frontier {
    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash. Returns the subtrees that became complete at the levels that stores keep beside the leaves (8, 16, …),
    /// rising: none but for every 256th leaf.
    pub fn append(&mut self, leaf: Digest) -> Vec<Completed> {
        let mut completed = Vec::new();
        let mut hash = leaf;
        // Adding one to the size flips its trailing ones: each is a subtree on the edge that now has a right sibling.
        for level in 1..=self.size.trailing_ones() as u8 {
            if let Some(left) = self.edge.pop() {
                hash = node_hash(&left, &hash);
            }
            if level.is_multiple_of(STORED_LEVELS) {
                completed.push(Completed { node: (level, self.size >> level), hash });
            }
        }
        self.edge.push(hash);
        self.size += 1;
        completed
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        fold(&self.edge).unwrap_or_else(empty_root)
    }

    /// For the head row: size as 8 bytes big-endian, then the hashes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.edge.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend(self.edge.iter().flatten());
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the number of hashes does not fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DamagedFrontier> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(DamagedFrontier)?;
        let size = u64::from_be_bytes(*size);
        let (edge, tail) = rest.as_chunks::<32>();
        if !tail.is_empty() || edge.len() != size.count_ones() as usize {
            return Err(DamagedFrontier);
        }
        Ok(Self { size, edge: edge.to_vec() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::digest::hex;

    /// The eight inputs that every implementation of certificate transparency is tested with.
    pub const CLASSIC_INPUTS: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    const CLASSIC_ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// Leaf hashes of entries that are their own number.
    pub fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// RFC 6962 §2.1, word for word: split at the largest power of two below the size.
    pub fn naive_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    #[test]
    fn the_classic_roots_are_met() {
        for (size, root) in CLASSIC_ROOTS.iter().enumerate() {
            let computed = tree_root(CLASSIC_INPUTS[..size].iter().map(|input| leaf_hash(input)));
            assert_eq!(hex(&computed), *root, "size {size}");
        }
    }

    #[test]
    fn the_edge_agrees_with_the_recursive_definition_at_every_size() {
        let all = leaves(300);
        let mut frontier = Frontier::default();
        for (size, leaf) in all.iter().enumerate() {
            assert_eq!(frontier.root(), naive_root(&all[..size]), "size {size}");
            frontier.append(*leaf);
        }
        assert_eq!(frontier.size(), 300);
    }

    #[test]
    fn completed_subtrees_are_reported_once_with_their_hash() {
        let all = leaves(70_000);
        let mut frontier = Frontier::default();
        let completed: Vec<Completed> = all.iter().flat_map(|leaf| frontier.append(*leaf)).collect();
        let nodes: Vec<NodeId> = completed.iter().map(|one| one.node).collect();
        let mut expected: Vec<NodeId> = (0..273).map(|index| (8, index)).collect();
        expected.insert(256, (16, 0));
        assert_eq!(nodes, expected);
        for Completed { node: (level, index), hash } in completed {
            let first = (index << level) as usize;
            assert_eq!(hash, naive_root(&all[first..first + (1 << level)]), "{level} {index}");
        }
    }

    #[test]
    fn a_complete_subtree_is_computed_from_stored_levels() {
        let all = leaves(4096);
        for node in [(0, 17), (3, 5), (7, 2), (8, 3), (9, 1), (12, 0)] {
            let parts = stored_parts(node);
            assert!(parts.count <= 128 && parts.level.is_multiple_of(8));
            let hashes: Vec<Digest> = (parts.first..parts.first + parts.count)
                .map(|index| {
                    let first = (index << parts.level) as usize;
                    naive_root(&all[first..first + (1 << parts.level)])
                })
                .collect();
            let first = (node.1 << node.0) as usize;
            assert_eq!(complete_root(&hashes), Some(naive_root(&all[first..first + (1 << node.0)])), "{node:?}");
        }
        assert_eq!(complete_root(&all[..3]), None);
        assert_eq!(complete_root(&[]), None);
    }

    #[test]
    fn the_root_over_records_is_a_tree_of_their_digests() {
        let digests = [[1; 32], [2; 32], [3; 32]];
        let expected = node_hash(&node_hash(&leaf_hash(&[1; 32]), &leaf_hash(&[2; 32])), &leaf_hash(&[3; 32]));
        assert_eq!(records_root(&digests), expected);
    }

    proptest! {
        #[test]
        fn a_frontier_survives_its_bytes(size in 0u64..600) {
            let mut frontier = Frontier::default();
            for leaf in leaves(size) {
                frontier.append(leaf);
            }
            let read = Frontier::from_bytes(&frontier.to_bytes()).expect("own bytes");
            prop_assert_eq!(read, frontier);
        }

        #[test]
        fn foreign_bytes_are_refused_or_kept_exactly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frontier) = Frontier::from_bytes(&bytes) {
                prop_assert_eq!(frontier.to_bytes(), bytes);
            }
        }
    }
}
