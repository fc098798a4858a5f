//! A declaration and what is known, put together from the words of the decision table. For tests.

use super::{
    Candidate, ClaimedStandard, Completeness, Consigned, Declaration, DeclarationItem, DeclaredCode, DeclaredParty,
    FreshnessPolicy, JointDeclaration, Known, NameKeys, QualificationEntry, RegimeRow, Regimes, RequiredPublisher, Rules,
    ScreeningPolicy, SurveyEntry, answer::Answer, evaluate,
};
use crate::domain::{
    credit_code::CreditCode,
    dates::CivilDate,
    feeds::Feed,
    ids::{Micros, ParticipantId, RecordId},
    items::InspectionItem,
    ledger::Attestation,
    life_cycle::{Standing, State},
    products::ProductKind,
    records::{Attribution, InspectionResult, Nonconformity, Party, RecordReference, TrackKind, TrackScope},
    regions::Region,
    standards::Standard,
};

pub(super) const HOUR: Micros = 3_600_000_000;
/// 2020-09-01T12:00 in Shanghai.
pub(super) const NOW: Micros = 1_598_932_800_000_000;
const MAKER: &str = "91330106PDY00001XL";
const MAKER_NAME: &str = "杭州安泰口罩有限公司";
const OTHER: &str = "91440106PDY000028F";
const SELLER: &str = "91330106PDY000036F";
const SELLER_ELSEWHERE: &str = "91330106PDY0000525";
const CONSIGNEE: &str = "91330106PDY000044A";

/// One row of the decision table, in its own words.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub regime: String,
    pub claimed: String,
    pub joint: String,
    pub allow_list: String,
    pub declared: String,
    pub recorded: String,
    pub state: State,
    pub published: bool,
    pub track: String,
    pub goods: String,
    pub made: String,
    pub data: String,
}

pub(super) fn day(text: &str) -> CivilDate {
    CivilDate::parse(text).unwrap_or_else(|| panic!("a date: {text}"))
}

fn code(text: &str) -> CreditCode {
    CreditCode::parse(text).unwrap_or_else(|_| panic!("a code: {text}"))
}

fn reference(name: &str, position: u64) -> RecordReference {
    let record_id = RecordId::parse(&format!("amr-330000/{name}")).expect("a record id");
    RecordReference { record_id, revision: 1, position }
}

fn party(name: &str, text: &str) -> DeclaredParty {
    DeclaredParty { name: name.into(), code: DeclaredCode::read(text), region: None }
}

impl Scene {
    pub(super) fn answer(&self, rules: Rules) -> Answer {
        self.answer_with(&self.known(), rules)
    }

    pub(super) fn answer_with(&self, known: &Known, rules: Rules) -> Answer {
        let (freshness, attestations) = self.freshness();
        let completeness = Completeness { policy: &freshness, attestations: &attestations, at: NOW };
        evaluate(&self.declaration(), known, &completeness, &self.policy(), rules)
    }

    pub(super) fn policy(&self) -> ScreeningPolicy {
        let row = |from: &str, to: Option<&str>| RegimeRow { valid_from: day(from), valid_to: to.map(day) };
        let regimes = match self.regime.as_str() {
            "无" => Regimes::default(),
            "有效" => Regimes::new(vec![row("2020-04-26", None)]),
            "已失效" => Regimes::new(vec![row("2020-04-26", Some("2020-08-31"))]),
            other => panic!("管理措施 {other}"),
        };
        ScreeningPolicy { regimes, tolerant_offices: vec!["53".into()], ..ScreeningPolicy::default() }
    }

    fn freshness(&self) -> (FreshnessPolicy, Vec<Attestation>) {
        let participant = |name: &str| ParticipantId::parse(name).expect("a participant");
        let required = |feed, name: &str, region: &str| RequiredPublisher {
            feed,
            publisher: participant(name),
            region: Region::parse(region),
        };
        let policy = FreshnessPolicy {
            limits: vec![(Feed::FailedProducts, 24 * HOUR), (Feed::ExportQualifications, 24 * HOUR)],
            required: vec![
                required(Feed::FailedProducts, "amr-330000", "330000"),
                required(Feed::FailedProducts, "amr-440000", "440000"),
                required(Feed::ExportQualifications, "mofcom", ""),
            ],
        };
        let attested = |feed, name: &str, region: &str, hours_ago: Micros| Attestation {
            publisher: participant(name),
            feed,
            region: Region::parse(region),
            complete_to: NOW - hours_ago * HOUR,
        };
        let (own, other, allow) = match self.data.as_str() {
            "新鲜" | "未读全" => (1, 1, 1),
            "过期" => (25, 1, 1),
            "白名单过期" => (1, 1, 25),
            "另一地区过期" => (1, 25, 1),
            "从未声明" => return (policy, Vec::new()),
            unknown => panic!("数据 {unknown}"),
        };
        let attestations = vec![
            attested(Feed::FailedProducts, "amr-330000", "330000", own),
            attested(Feed::FailedProducts, "amr-440000", "440000", other),
            attested(Feed::ExportQualifications, "mofcom", "", allow),
        ];
        (policy, attestations)
    }

    pub(super) fn declaration(&self) -> Declaration {
        let mut declaration = Declaration {
            number: "222920200000000001".into(),
            joint_declaration: match self.joint.as_str() {
                "有" => JointDeclaration::Present,
                "缺" => JointDeclaration::Absent,
                "未知" => JointDeclaration::Unknown,
                other => panic!("共同声明 {other}"),
            },
            declared_on: Some(day("2020-09-01")),
            office: if self.declared.contains("宽松关区") { "5301" } else { "2229" }.into(),
            items: vec![self.item()],
            ..Declaration::default()
        };
        let unit = || party("宁波贸易公司", MAKER);
        match self.declared.as_str() {
            "生产单位代码" => declaration.maker = party(MAKER_NAME, MAKER),
            "生产销售单位代码已登记" | "生产销售单位代码未登记" | "生产销售单位代码未登记；宽松关区" =>
            {
                declaration.producing_or_selling_unit = unit();
            }
            "发货人代码已登记" | "发货人代码未登记" => declaration.exporter = unit(),
            "生产单位名称已登记" | "生产单位名称未登记" | "生产单位名称登记两次" => {
                declaration.maker = party(MAKER_NAME, "");
            }
            "生产单位名称已登记但地区不符" => {
                declaration.maker = DeclaredParty { region: Region::parse("440000"), ..party(MAKER_NAME, "") };
            }
            "代码错误" => declaration.maker = party(MAKER_NAME, "91330106PDY00001XM"),
            "无" => declaration.producing_or_selling_unit = party("", "NO"),
            "未申报生产单位；发货人是收货单位" => declaration.exporter = party("", CONSIGNEE),
            "未申报生产单位；生产销售单位与收货单位同名" => {
                declaration.producing_or_selling_unit = party("宁波收货贸易有限公司", "");
            }
            "未申报生产单位；发货人与收货单位同名代码不同" => {
                declaration.exporter = party("宁波收货贸易有限公司", SELLER_ELSEWHERE);
            }
            "收货单位是生产单位" => declaration.maker = party("", CONSIGNEE),
            other => {
                declaration.maker = party("广州另一家口罩有限公司", OTHER);
                match other {
                    "另一家企业" => {}
                    "另一家企业；发货人是收货单位" => declaration.exporter = party("", CONSIGNEE),
                    "另一家企业；发货人在名单中" => declaration.exporter = unit(),
                    "另一家企业；发货人是被抽样单位" => declaration.exporter = party("", SELLER),
                    "另一家企业；发货人与被抽样单位同名" => {
                        declaration.exporter = party("杭州 某大药房 有限公司", "");
                    }
                    unknown => panic!("申报的生产企业 {unknown}"),
                }
            }
        }
        declaration
    }

    fn item(&self) -> DeclarationItem {
        let mut item = DeclarationItem {
            goods_name: "口罩".into(),
            hs_code: "6307900010".into(),
            claimed_standard: match self.claimed.as_str() {
                "国内" => ClaimedStandard::Chinese,
                "国外" => ClaimedStandard::Foreign,
                "未声明" => ClaimedStandard::Unstated,
                other => panic!("声明标准 {other}"),
            },
            ..DeclarationItem::default()
        };
        self.liken(&mut item);
        match self.made.as_str() {
            "不明" => {}
            "解除前" => item.produced_on = Some(day("2020-03-01")),
            "解除当天" => item.produced_on = Some(day("2020-07-01")),
            "解除当月" => item.produced_on = Some(day("2020-07")),
            "解除后" => item.produced_on = Some(day("2020-08-10")),
            "申报之后" => item.produced_on = Some(day("2020-09-02")),
            other => panic!("生产时间 {other}"),
        }
        item
    }

    /// Makes the item as much like the recorded goods as the row says.
    fn liken(&self, item: &mut DeclarationItem) {
        let standard = Some(Standard::parse("GB/T 32610-2016"));
        match self.goods.as_str() {
            "无法判断" | "双方均空" => {}
            "同批次" => item.batch = "B20200409-1".into(),
            "同批次另一写法" => item.batch = "ｂ２０２００４０９ - 1".into(),
            "同种产品" => {
                item.product_kind = Some(ProductKind::DailyProtective);
                item.standard = standard;
            }
            "不同产品" => item.product_kind = Some(ProductKind::Children),
            "同一天" => item.produced_on = Some(day("2020-04-09")),
            "同一天但型号不同" => {
                item.produced_on = Some(day("2020-04-09"));
                item.model = "AT-2".into();
            }
            "同一天但批号不同" => {
                item.produced_on = Some(day("2020-04-09"));
                item.batch = "B2".into();
            }
            "同月" => item.produced_on = Some(day("2020-04")),
            "同商标型号" => (item.brand, item.model, item.batch) = ("安泰".into(), "AT-1".into(), "B2".into()),
            "仅同商标" => item.brand = "安泰".into(),
            "仅同种类" => item.product_kind = Some(ProductKind::DailyProtective),
            "同种类标准但型号不同" => {
                item.product_kind = Some(ProductKind::DailyProtective);
                item.standard = standard;
                item.model = "AT-2".into();
            }
            "型号不同" => item.model = "AT-2".into(),
            "种类写法不明" => item.product_kind = Some(ProductKind::Other("平面型".into())),
            "同商标批号" => (item.brand, item.batch) = ("安泰".into(), "B20200409-1".into()),
            "同商标但批号不同" => (item.brand, item.batch) = ("安泰".into(), "B2".into()),
            "申报为医用" => item.product_kind = Some(ProductKind::Medical),
            "品名为医用且型号不同" => (item.goods_name, item.model) = ("Surgical Mask".into(), "AT-2".into()),
            "品名编码均空" => (item.goods_name, item.hs_code) = (String::new(), String::new()),
            "不是口罩" => (item.goods_name, item.hs_code) = ("塑料玩具".into(), "9503008900".into()),
            "仅品名是口罩" => (item.hs_code, item.batch) = ("9503008900".into(), "B20200409-1".into()),
            "仅编码是口罩" => (item.goods_name, item.batch) = ("无纺布制品".into(), "B20200409-1".into()),
            other => panic!("商品比对 {other}"),
        }
    }

    pub(super) fn known(&self) -> Known {
        Known {
            candidates: self.candidate().into_iter().collect(),
            surveys: self.surveys(),
            qualifications: self.qualification().into_iter().collect(),
            truncated: self.data == "未读全",
        }
    }

    fn surveys(&self) -> Vec<SurveyEntry> {
        let entry = |name: &str, text: &str, position| SurveyEntry {
            record: reference(text, position),
            code: code(text),
            name: NameKeys::of(name),
            region: Region::parse("330106"),
            makes_masks: true,
        };
        match self.declared.as_str() {
            "生产销售单位代码已登记" | "发货人代码已登记" | "生产单位名称已登记" | "生产单位名称已登记但地区不符" =>
            {
                vec![entry(MAKER_NAME, MAKER, 1)]
            }
            "生产单位名称登记两次" => vec![entry(MAKER_NAME, MAKER, 1), entry(MAKER_NAME, SELLER, 2)],
            _ => Vec::new(),
        }
    }

    fn qualification(&self) -> Option<QualificationEntry> {
        let (kinds, from, to) = match self.allow_list.as_str() {
            "无" => return None,
            "全部种类" => (vec![], "2020-04-26", None),
            "本种类" => (vec![ProductKind::DailyProtective], "2020-04-26", None),
            "其他种类" => (vec![ProductKind::Children], "2020-04-26", None),
            "已过期" => (vec![], "2020-04-26", Some(day("2020-08-31"))),
            "当天到期" => (vec![], "2020-04-26", Some(day("2020-09-01"))),
            "未生效" => (vec![], "2020-09-02", None),
            other => panic!("白名单 {other}"),
        };
        let record = reference("qualification", 3);
        Some(QualificationEntry { record, code: code(MAKER), product_kinds: kinds, valid_from: day(from), valid_to: to })
    }

    fn candidate(&self) -> Option<Candidate> {
        let (name, given, resolved, attribution) = match self.recorded.as_str() {
            "没有记录" => return None,
            "代码相同" => (MAKER_NAME, Some(MAKER), None, Attribution::SampledAtProducer),
            "抽样企业核实到代码" => (MAKER_NAME, None, Some(MAKER), Attribution::SampledAtProducer),
            "确认后核实到代码" => (MAKER_NAME, None, Some(MAKER), Attribution::Confirmed),
            "标称核实到代码" => (MAKER_NAME, None, Some(MAKER), Attribution::Nominal),
            "否认的核实代码" => (MAKER_NAME, None, Some(MAKER), Attribution::Denied),
            "仅名称相同" => (MAKER_NAME, None, None, Attribution::SampledAtProducer),
            "仅形式名称相同" => ("杭州安泰口罩有限责任公司", None, None, Attribution::Nominal),
            "名称相同代码不同" => (MAKER_NAME, Some(SELLER), None, Attribution::SampledAtProducer),
            "另一企业的记录" => ("绍兴某口罩厂", Some(SELLER), None, Attribution::Nominal),
            other => panic!("记录中的生产企业 {other}"),
        };
        let producer = Party { name: name.into(), credit_code: given.map(code), ..Party::default() };
        Some(Candidate {
            record: reference("2020-0001", 10),
            matter: self.nonconformity(producer, attribution),
            resolved: resolved.map(code),
            standing: Standing { state: self.state, open_tracks: self.open_tracks() },
            consignees: vec![Consigned {
                code: CreditCode::parse(CONSIGNEE).ok(), name: NameKeys::of("宁波收货贸易有限公司")
            }],
            cleared_on: (self.state == State::Cleared).then(|| day("2020-07-01")),
        })
    }

    fn open_tracks(&self) -> Vec<(TrackKind, TrackScope)> {
        let Some((track, scope)) = self.track.split_once('/') else { return Vec::new() };
        let track = match track {
            "查封" => TrackKind::Sealing,
            "扣押" => TrackKind::Seizure,
            "移送" => TrackKind::Transfer,
            "立案" => TrackKind::Case,
            "召回" => TrackKind::Recall,
            "回头看" => TrackKind::FollowUp,
            other => panic!("附带措施 {other}"),
        };
        let scope = match scope {
            "批次" => TrackScope::Batch,
            "产品" => TrackScope::Product,
            "企业" => TrackScope::Enterprise,
            other => panic!("附带措施 {other}"),
        };
        vec![(track, scope)]
    }

    fn nonconformity(&self, producer: Party, attribution: Attribution) -> Nonconformity {
        let blank = self.goods == "双方均空";
        let unless_blank = |text: &str| if blank { String::new() } else { text.to_owned() };
        Nonconformity {
            campaign: String::new(),
            level: None,
            field: None,
            sampling_number: "2020-0001".into(),
            report_number: String::new(),
            sampled_on: None,
            reported_on: None,
            notified_on: None,
            published_on: self.published.then(|| day("2020-05-10")),
            organiser: "浙江省市场监督管理局".into(),
            handler: String::new(),
            producer,
            attribution,
            sampled_party: Some(Party {
                name: "杭州某大药房有限公司".into(),
                credit_code: Some(code(SELLER)),
                ..Party::default()
            }),
            product_name: "日常防护型口罩".into(),
            product_kind: (!blank).then_some(ProductKind::DailyProtective),
            brand: unless_blank("安泰"),
            model: unless_blank("AT-1"),
            grade: String::new(),
            specification: String::new(),
            produced_on: (!blank).then(|| day("2020-04-09")),
            batch: if self.goods.starts_with("同一天") && !self.goods.contains("批号") {
                String::new()
            } else {
                unless_blank("B20200409-1")
            },
            date_and_batch_raw: String::new(),
            claimed_standards: if blank { Vec::new() } else { vec![Standard::parse("GB/T 32610-2016")] },
            laboratory: String::new(),
            batch_quantity: None,
            sample_quantity: None,
            items: vec![InspectionResult {
                item: InspectionItem::parse("过滤效率"),
                medium: String::new(),
                clause: String::new(),
                measured: String::new(),
                comparator: String::new(),
                limit: String::new(),
                unit: String::new(),
                failed: true,
            }],
            initial_state: State::Confirmed,
            handling_raw: String::new(),
        }
    }
}
