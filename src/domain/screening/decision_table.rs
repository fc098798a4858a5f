//! The decision table a customs officer can read (`tests/data/screening.csv`). Its verdicts were written down by hand from
//! the rules, not taken from the program.

use super::{
    rules::{RULES, RuleId, Rules},
    scene::Scene,
    verdict::Verdict,
};
use crate::domain::life_cycle::State;

const TABLE: &str = include_str!("../../../tests/data/screening.csv");

pub(super) struct Case {
    pub name: String,
    pub scene: Scene,
    pub verdict: Verdict,
    pub rules: Vec<RuleId>,
}

pub(super) fn cases() -> Vec<Case> {
    let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let read = |row: csv::StringRecord| {
        let cell = |name: &str| {
            let place = header.iter().position(|column| column == name).unwrap_or_else(|| panic!("column {name}"));
            row.get(place).unwrap_or_default().to_owned()
        };
        let scene = Scene {
            regime: cell("管理措施"),
            claimed: cell("声明标准"),
            joint: cell("共同声明"),
            allow_list: cell("白名单"),
            declared: cell("申报的生产企业"),
            recorded: cell("记录中的生产企业"),
            state: State::parse(&cell("状态")).expect("a state"),
            published: cell("已公布") == "是",
            track: cell("附带措施"),
            goods: cell("商品比对"),
            made: cell("生产时间"),
            data: cell("数据"),
        };
        Case {
            name: format!("{} {}", cell("编号"), cell("情形")),
            scene,
            verdict: Verdict::parse(&cell("结论")).expect("a verdict"),
            rules: cell("依据").split(';').map(|id| RuleId::parse(id).unwrap_or_else(|| panic!("rule {id}"))).collect(),
        }
    };
    reader.records().map(|row| read(row.expect("a row"))).collect()
}

#[test]
fn every_case_is_judged_as_written() {
    let mut wrong = Vec::new();
    for case in cases() {
        let answer = case.scene.answer(Rules::ALL);
        let found: Vec<RuleId> = answer.items.iter().flat_map(|item| &item.reasons).map(|reason| reason.rule).collect();
        let missing: Vec<_> = case.rules.iter().filter(|rule| !found.contains(rule)).collect();
        if answer.verdict != case.verdict || !missing.is_empty() {
            wrong.push(format!(
                "{}: expected {}, got {} by {found:?}, missing {missing:?}",
                case.name, case.verdict, answer.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_is_large_enough() {
    assert!(cases().len() >= 120);
}

/// A rule that can be left out without anybody noticing is no rule.
#[test]
fn every_rule_is_needed_by_some_case() {
    let cases = cases();
    for rule in RULES {
        let noticed = cases.iter().any(|case| case.scene.answer(Rules::ALL.without(rule.id)).verdict != case.verdict);
        assert!(noticed, "no case needs {}", rule.token);
    }
}

#[test]
fn the_same_question_has_the_same_answer() {
    for case in cases() {
        assert_eq!(case.scene.answer(Rules::ALL), case.scene.answer(Rules::ALL));
    }
}

#[test]
fn reasons_are_in_both_languages_and_highest_first() {
    for case in cases() {
        for item in case.scene.answer(Rules::ALL).items {
            assert!(!item.reasons.is_empty());
            assert!(item.reasons.is_sorted_by(|one, next| one.verdict() >= next.verdict()));
            for reason in &item.reasons {
                for text in [&reason.text.zh, &reason.text.en] {
                    assert!(!text.is_empty() && !text.contains('{'), "{text}");
                }
            }
        }
    }
}
