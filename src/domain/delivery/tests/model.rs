//! Random histories, judged by the reference (`checker`). The histories are short and many: what goes wrong goes wrong in few
//! steps, and a short one is read by eye.

use proptest::prelude::*;

use super::{
    checker::Checker,
    driver::play,
    history::{Op, Shape, op, shape},
};

fn ops(longest: usize) -> impl Strategy<Value = Vec<(Op, bool)>> {
    prop::collection::vec((op(), prop::bool::weighted(0.8)), 1..longest)
}

fn promises_are_kept(shape: &Shape, ops: &[(Op, bool)]) {
    let driver = play(shape, ops);
    if let Err((breach, position, index)) = Checker::check(driver.rules, &driver.seen) {
        let before: Vec<_> = driver.seen[..=index].iter().map(|seen| format!("{seen:?}")).collect();
        panic!("{breach:?} at {position}:\n{}", before.join("\n"));
    }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn short_histories_keep_every_promise(shape in shape(), ops in ops(24)) {
        promises_are_kept(&shape, &ops);
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn longer_histories_keep_every_promise(shape in shape(), ops in ops(50)) {
        promises_are_kept(&shape, &ops);
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn same_seed_same_trace(shape in shape(), ops in ops(40)) {
        let (one, other) = (play(&shape, &ops), play(&shape, &ops));
        prop_assert_eq!(one.trace, other.trace);
        prop_assert_eq!(one.seen, other.seen);
    }
}
