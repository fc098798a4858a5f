//! What must hold whatever the rows say, by property.

use proptest::{prelude::*, sample::select};

use super::{
    decision_table::cases,
    rules::Rules,
    scene::{Scene, day},
    verdict::Verdict,
};
use crate::domain::life_cycle::State;

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

fn scenes() -> impl Strategy<Value = Scene> {
    let declared = word(&[
        "生产单位代码",
        "生产销售单位代码已登记",
        "生产销售单位代码未登记；宽松关区",
        "发货人代码已登记",
        "发货人代码未登记",
        "生产单位名称已登记",
        "生产单位名称未登记",
        "另一家企业；发货人在名单中",
        "另一家企业；发货人是被抽样单位",
        "代码错误",
        "无",
    ]);
    let recorded =
        word(&["没有记录", "代码相同", "抽样企业核实到代码", "标称核实到代码", "否认的核实代码", "仅名称相同", "另一企业的记录"]);
    let goods = word(&[
        "无法判断",
        "双方均空",
        "同批次",
        "同种产品",
        "不同产品",
        "同一天",
        "同月",
        "同商标型号",
        "仅同商标",
        "型号不同",
        "同商标批号",
        "申报为医用",
    ]);
    let setting = (word(&["无", "有效", "已失效"]), word(&["国内", "国外", "未声明"]), word(&["有", "缺", "未知"]));
    let rest = (
        word(&["无", "全部种类", "本种类", "已过期"]),
        word(&["无", "查封/批次", "扣押/产品", "移送/企业", "立案/企业"]),
        word(&["不明", "解除前", "解除后"]),
        word(&["新鲜", "过期", "白名单过期", "另一地区过期", "从未声明", "未读全"]),
        any::<bool>(),
    );
    (setting, declared, recorded, goods, select(&State::ALL[..]), rest).prop_map(
        |((regime, claimed, joint), declared, recorded, goods, state, (allow_list, track, made, data, published))| Scene {
            regime,
            claimed,
            joint,
            allow_list,
            declared,
            recorded,
            state,
            published,
            track,
            goods,
            made,
            data,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_further_record_never_lowers_a_verdict(scene in scenes(), other in scenes()) {
        let mut known = scene.known();
        let before = scene.answer_with(&known, Rules::ALL);
        known.candidates.extend(other.known().candidates);
        let after = scene.answer_with(&known, Rules::ALL);
        prop_assert!(after.verdict >= before.verdict);
        for (one, other) in before.items.iter().zip(&after.items) {
            prop_assert!(other.verdict >= one.verdict);
        }
    }

    #[test]
    fn clearing_never_releases_the_failed_batch(mut scene in scenes(), cleared_on in proptest::option::of(select(vec!["2020-04-01", "2020-07-01", "2020-12-31"]))) {
        scene.goods = "同批次".into();
        scene.state = State::Confirmed;
        let held = scene.answer(Rules::ALL);
        scene.state = State::Cleared;
        let mut known = scene.known();
        for candidate in &mut known.candidates {
            candidate.cleared_on = cleared_on.map(day);
        }
        let cleared = scene.answer_with(&known, Rules::ALL);
        prop_assert_eq!(cleared.verdict, held.verdict);
    }

    #[test]
    fn stale_data_is_never_clear(mut scene in scenes()) {
        scene.data = "从未声明".into();
        let verdict = scene.answer(Rules::ALL).verdict;
        prop_assert!(matches!(verdict, Verdict::Unknown | Verdict::Hold), "{verdict}");
    }

    #[test]
    fn stale_data_never_releases_what_is_held(mut scene in scenes()) {
        scene.data = "新鲜".into();
        let fresh = scene.answer(Rules::ALL).verdict;
        scene.data = "从未声明".into();
        let stale = scene.answer(Rules::ALL).verdict;
        prop_assert!(stale >= fresh);
    }

    #[test]
    fn a_name_alone_never_holds(mut scene in scenes()) {
        scene.recorded = "仅名称相同".into();
        scene.allow_list = "全部种类".into();
        scene.state = if scene.state == State::Disowned { State::Confirmed } else { scene.state };
        scene.claimed = "国内".into();
        prop_assert!(scene.answer(Rules::ALL).verdict < Verdict::Hold);
    }

    #[test]
    fn an_overturned_record_without_open_measures_is_as_none(mut scene in scenes()) {
        scene.state = State::Overturned;
        scene.track = "无".into();
        let with = scene.answer(Rules::ALL).verdict;
        scene.recorded = "没有记录".into();
        prop_assert_eq!(with, scene.answer(Rules::ALL).verdict);
    }
}

#[test]
fn the_order_of_what_is_known_does_not_matter() {
    let cases = cases();
    for pair in cases.windows(2) {
        let [one, other] = pair else { continue };
        let mut known = one.scene.known();
        known.candidates.extend(other.scene.known().candidates);
        let forward = one.scene.answer_with(&known, Rules::ALL);
        known.candidates.reverse();
        let backward = one.scene.answer_with(&known, Rules::ALL);
        assert_eq!(forward.verdict, backward.verdict, "{}", one.name);
    }
}
