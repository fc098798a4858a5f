//! Inclusion and consistency proofs: what to read, how to assemble them, how to verify them (RFC 6962 §2.1.1–2, RFC 9162 §2.1.3–4).

use super::merkle::{NodeId, cover, empty_root, fold, node_hash};
use crate::domain::digest::Digest;

/// A proof as a shopping list: every hash of it is a fold of complete subtrees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    nodes: Vec<NodeId>,
    /// How many of `nodes` make each hash, in order.
    parts: Vec<usize>,
}

impl Plan {
    /// The complete subtrees to read, in the order that [`Plan::assemble`] wants their hashes.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The hashes of the proof, from those of [`Plan::nodes`]; `None` when their number is not the same.
    #[must_use]
    pub fn assemble(&self, hashes: &[Digest]) -> Option<Vec<Digest>> {
        if hashes.len() != self.nodes.len() {
            return None;
        }
        let mut rest = hashes;
        self.parts
            .iter()
            .map(|&count| {
                let (part, after) = rest.split_at_checked(count)?;
                rest = after;
                fold(part)
            })
            .collect()
    }

    fn take(&mut self, start: u64, end: u64) {
        let before = self.nodes.len();
        cover(start, end, &mut self.nodes);
        self.parts.push(self.nodes.len() - before);
    }
}

/// Largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The complete subtrees whose fold is the root at `size`, for an earlier state of the tree: one hash, none for size 0.
#[must_use]
pub fn root_plan(size: u64) -> Plan {
    let mut plan = Plan::default();
    if size > 0 {
        plan.take(0, size);
    }
    plan
}

/// Plan of the proof that leaf `index` is in the tree of `size`; `None` unless `index < size`.
#[must_use]
pub fn inclusion_plan(index: u64, size: u64) -> Option<Plan> {
    if index >= size {
        return None;
    }
    let mut siblings = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    let mut plan = Plan::default();
    for (start, end) in siblings.into_iter().rev() {
        plan.take(start, end);
    }
    Some(plan)
}

/// Plan of the proof that the tree of `second` extends that of `first`; empty when they are equal or `first` is 0; `None` when
/// `first > second`.
#[must_use]
pub fn consistency_plan(first: u64, second: u64) -> Option<Plan> {
    if first > second {
        return None;
    }
    let mut ranges = Vec::new();
    if first > 0 {
        let (mut start, mut end) = (0, second);
        while first < end {
            let middle = start + split(end - start);
            if first <= middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        // The verifier knows the root at `first` already; what it lacks is the subtree on the way to it, unless that is the tree.
        if start > 0 {
            ranges.push((start, end));
        }
    }
    let mut plan = Plan::default();
    for (start, end) in ranges.into_iter().rev() {
        plan.take(start, end);
    }
    Some(plan)
}

/// True when the hashes prove that a leaf is at `index` in the tree of `size` with this root (RFC 9162 §2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A node on the right edge without a right sibling rises until it is a right child.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// True when the hashes prove that the tree of `second` extends that of `first` (RFC 9162 §2.1.4.2). Equal sizes need equal roots and
/// no hashes; every tree extends the empty one.
#[must_use]
pub fn verify_consistency(first: u64, second: u64, proof: &[Digest], first_root: &Digest, second_root: &Digest) -> bool {
    if first > second {
        return false;
    }
    if first == 0 {
        return proof.is_empty() && *first_root == empty_root() && (second > 0 || first_root == second_root);
    }
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    // A first tree that is one complete subtree is itself the start of the proof.
    let own = first.is_power_of_two().then_some(first_root);
    let mut path = own.into_iter().chain(proof);
    let Some(start) = path.next() else { return false };
    let risen = (first - 1).trailing_ones();
    let (mut node, mut last) = ((first - 1) >> risen, (second - 1) >> risen);
    let (mut older, mut newer) = (*start, *start);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            older = node_hash(sibling, &older);
            newer = node_hash(sibling, &newer);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            newer = node_hash(&newer, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && older == *first_root && newer == *second_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::merkle::{
            leaf_hash,
            tests::{CLASSIC_INPUTS, leaves, naive_root},
        },
        *,
    };
    use crate::domain::digest::hex;

    /// RFC 6962 §2.1.1, word for word.
    fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if index < k { (naive_path(index, left), right) } else { (naive_path(index - k, right), left) };
        path.push(naive_root(sibling));
        path
    }

    /// RFC 6962 §2.1.2, word for word.
    fn naive_subproof(first: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
        if first == leaves.len() {
            return if whole { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if first <= k {
            (naive_subproof(first, left, whole), right)
        } else {
            (naive_subproof(first - k, right, false), left)
        };
        proof.push(naive_root(sibling));
        proof
    }

    fn assemble(plan: &Plan, leaves: &[Digest]) -> Vec<Digest> {
        let hashes: Vec<Digest> = plan
            .nodes()
            .iter()
            .map(|&(level, index)| {
                let first = (index << level) as usize;
                naive_root(&leaves[first..first + (1 << level)])
            })
            .collect();
        plan.assemble(&hashes).expect("as many hashes as nodes")
    }

    #[test]
    fn every_inclusion_proof_is_that_of_the_definition_and_verifies() {
        let all = leaves(130);
        for size in 1..=all.len() {
            let tree = &all[..size];
            let root = naive_root(tree);
            for (index, leaf) in tree.iter().enumerate() {
                let proof = assemble(&inclusion_plan(index as u64, size as u64).expect("inside"), tree);
                assert_eq!(proof, naive_path(index, tree), "{index} in {size}");
                assert!(verify_inclusion(leaf, index as u64, size as u64, &proof, &root), "{index} in {size}");
            }
        }
        assert_eq!(inclusion_plan(5, 5), None);
    }

    #[test]
    fn every_consistency_proof_is_that_of_the_definition_and_verifies() {
        let all = leaves(130);
        for second in 1..=all.len() {
            let newer = naive_root(&all[..second]);
            for first in 1..=second {
                let proof = assemble(&consistency_plan(first as u64, second as u64).expect("ordered"), &all);
                assert_eq!(proof, naive_subproof(first, &all[..second], true), "{first} to {second}");
                let older = naive_root(&all[..first]);
                assert!(verify_consistency(first as u64, second as u64, &proof, &older, &newer), "{first} to {second}");
            }
        }
        assert_eq!(consistency_plan(6, 5), None);
        assert_eq!(consistency_plan(0, 5), Some(Plan::default()));
    }

    #[test]
    fn the_classic_proofs_are_met() {
        let all: Vec<Digest> = CLASSIC_INPUTS.iter().map(|input| leaf_hash(input)).collect();
        let texts = |proof: Vec<Digest>| proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>();
        assert_eq!(
            texts(assemble(&inclusion_plan(0, 8).expect("inside"), &all)),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            texts(assemble(&consistency_plan(6, 8).expect("ordered"), &all)),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn the_empty_tree_is_a_beginning_of_every_tree() {
        let root = naive_root(&leaves(3));
        assert!(verify_consistency(0, 3, &[], &empty_root(), &root));
        assert!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()));
        assert!(!verify_consistency(0, 3, &[], &root, &root));
        assert!(!verify_consistency(0, 0, &[], &empty_root(), &root));
        assert!(!verify_consistency(0, 3, &[root], &empty_root(), &root));
    }

    #[test]
    fn the_root_of_an_earlier_size_is_a_fold_of_complete_subtrees() {
        let all = leaves(70);
        for size in 1..=all.len() {
            assert_eq!(assemble(&root_plan(size as u64), &all), [naive_root(&all[..size])], "size {size}");
        }
        assert!(root_plan(0).nodes().is_empty());
    }

    #[test]
    fn plans_of_enormous_trees_stay_small() {
        for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
            for index in [0, 1, size / 2, size - 1] {
                assert!(inclusion_plan(index, size).is_some_and(|plan| plan.nodes().len() <= 64 * 64));
                assert!(consistency_plan(index, size).is_some_and(|plan| plan.nodes().len() <= 64 * 64));
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_inclusion_proof_fails(size in 2u64..300, pick in any::<prop::sample::Index>(), bit in 0usize..256, at in any::<prop::sample::Index>()) {
            let all = leaves(size);
            let index = pick.index(all.len()) as u64;
            let root = naive_root(&all);
            let mut proof = assemble(&inclusion_plan(index, size).expect("inside"), &all);
            let leaf = all[index as usize];
            prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root));
            prop_assert!(!verify_inclusion(&leaf, index ^ 1, size, &proof, &root));
            prop_assert!(!verify_inclusion(&leaf, index, size, &proof[1..], &root));
            let place = at.index(proof.len());
            proof[place][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaf, index, size, &proof, &root));
        }

        #[test]
        fn a_changed_consistency_proof_fails(second in 2u64..300, pick in any::<prop::sample::Index>(), bit in 0usize..256, at in any::<prop::sample::Index>()) {
            let all = leaves(second);
            let first = pick.index(all.len() - 1) as u64 + 1;
            let (older, newer) = (naive_root(&all[..first as usize]), naive_root(&all));
            let mut proof = assemble(&consistency_plan(first, second).expect("ordered"), &all);
            prop_assert!(verify_consistency(first, second, &proof, &older, &newer));
            prop_assert!(!verify_consistency(first, second, &proof[1..], &older, &newer));
            prop_assert!(!verify_consistency(first, second, &proof, &newer, &older));
            let place = at.index(proof.len());
            proof[place][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(first, second, &proof, &older, &newer));
        }

        #[test]
        fn foreign_proofs_never_verify_nor_panic(index in any::<u64>(), size in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
            prop_assert!(!verify_inclusion(&[7; 32], index, size, &proof, &[8; 32]));
            prop_assert!(!verify_consistency(index, size, &proof, &[7; 32], &[8; 32]));
        }
    }
}
