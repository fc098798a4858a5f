//! The rules as a table of data: id, version, verdict, words. What makes a rule apply stands in `cells` and `evaluate`.
//!
//! Ids are stable and append-only: customs systems store them. A changed meaning raises the rule's version and
//! [`RULE_VERSION`]; the same declaration, position, moment, rule version and regime version give the same answer for ever.
//! Ids that begin with `N-` speak of one nonconformity and are the cells of the verdict table (domain.md §6), `T-` of an
//! open track of one; all others speak of the declaration or the data.

use super::verdict::Verdict;
use crate::domain::violation::Text;

/// Version of the whole set of rules. Raised whenever an answer could change.
pub const RULE_VERSION: &str = "2020.51-2";

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Which.
    pub id: RuleId,
    /// Its stable id, e.g. `N-CODE-BATCH-HOLD`.
    pub token: &'static str,
    /// Version of this rule, from 1.
    pub version: u16,
    /// What it says when it applies.
    pub verdict: Verdict,
    zh: &'static str,
    en: &'static str,
}

impl Rule {
    /// Its words with `{…}` places filled in. Places that are not given stay empty.
    #[must_use]
    pub fn words(&self, given: &[(&str, Text)]) -> Text {
        let fill = |template: &str, pick: fn(&Text) -> &str| {
            given.iter().fold(template.to_owned(), |text, (place, value)| text.replace(&format!("{{{place}}}"), pick(value)))
        };
        Text::new(fill(self.zh, |text| &text.zh), fill(self.en, |text| &text.en))
    }
}

macro_rules! rules {
    ($( $id:ident $token:literal $version:literal $verdict:ident $zh:literal $en:literal )+) => {
        /// Which rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RuleId {
            $(
                #[doc = concat!("`", $token, "`: ", $en)]
                $id,
            )+
        }

        /// Every rule, in the order of [`RuleId`].
        pub const RULES: &[Rule] = &[
            $( Rule { id: RuleId::$id, token: $token, version: $version, verdict: Verdict::$verdict, zh: $zh, en: $en }, )+
        ];
    };
}

rules! {
    // --- one nonconformity, its producer known by code
    CodeBatchHold "N-CODE-BATCH-HOLD" 1 Hold
        "同一生产企业的同一批次在不合格记录 {record} 中，现状态：{state}。"
        "The same batch of the same producer stands in nonconformity {record}, state {state}."
    CodeProductHold "N-CODE-PRODUCT-HOLD" 1 Hold
        "同一生产企业的同种产品在不合格记录 {record} 中，现状态：{state}。"
        "The same product of the same producer stands in nonconformity {record}, state {state}."
    CodeEnterpriseHold "N-CODE-ENTERPRISE-HOLD" 1 Hold
        "生产企业因不合格记录 {record} 处于{state}，其全部产品不得放行。"
        "The producer is under {state} by nonconformity {record}: none of its products may go."
    CodeRegimeHold "N-CODE-REGIME-HOLD" 1 Hold
        "生产企业在已公布的不合格记录 {record} 中（状态：{state}），按申报日有效的管理措施不予放行。"
        "The producer stands in published nonconformity {record} (state {state}) and the regime in force on the day of declaration bars it."
    CodeUndecidableReview "N-CODE-UNDECIDABLE-REVIEW" 1 Review
        "生产企业有不合格记录 {record}（状态：{state}），现有申报要素不能判断是否同种产品。"
        "The producer has nonconformity {record} (state {state}) and the particulars declared do not tell whether it is the same product."
    CodeEnterpriseReview "N-CODE-ENTERPRISE-REVIEW" 1 Review
        "生产企业的另一种产品{state}（不合格记录 {record}），其他产品须人工核查。"
        "Another product of the producer is in state {state} (nonconformity {record}): its other products need a look."
    CodeDifferentClear "N-CODE-DIFFERENT-CLEAR" 1 Clear
        "生产企业的不合格记录 {record} 涉及另一种产品。"
        "Nonconformity {record} of the producer is about another product."
    CodeDetectedReview "N-CODE-DETECTED-REVIEW" 1 Review
        "生产企业有初检不合格 {record}，尚未告知，须人工核查。"
        "The producer has an initial failure {record} of which it has not been told yet: a person has to look."
    CodeDetectedClear "N-CODE-DETECTED-DIFFERENT-CLEAR" 1 Clear
        "生产企业的初检不合格 {record} 涉及另一种产品。"
        "The initial failure {record} of the producer is about another product."
    CodeClearedBatchHold "N-CODE-CLEARED-BATCH-HOLD" 1 Hold
        "不合格记录 {record} 虽已复查合格，但其不合格批次永久不得放行。"
        "Nonconformity {record} was cleared by recheck, but its failed batch is held for ever."
    CodeClearedReview "N-CODE-CLEARED-REVIEW" 1 Review
        "不合格记录 {record} 已复查合格，但不能确认本商品是复查合格之后生产的。"
        "Nonconformity {record} was cleared by recheck, but it is not certain that these goods were made after it."
    CodeClearedAfterClear "N-CODE-CLEARED-AFTER-CLEAR" 1 Clear
        "本商品在不合格记录 {record} 复查合格之后生产。"
        "These goods were made after nonconformity {record} was cleared by recheck."
    CodeClearedDifferentClear "N-CODE-CLEARED-DIFFERENT-CLEAR" 1 Clear
        "已复查合格的记录 {record} 涉及另一种产品。"
        "The cleared record {record} is about another product."
    // --- the code is known, but the attribution or the party's part in the declaration is not sure
    NominalReview "N-NOMINAL-REVIEW" 1 Review
        "不合格记录 {record}（状态：{state}）的生产企业与申报相符，但仅为标称，或该企业并非申报的生产单位。"
        "The producer of nonconformity {record} (state {state}) matches, but only as labelled, or it is not declared as the maker."
    NominalDifferentClear "N-NOMINAL-DIFFERENT-CLEAR" 1 Clear
        "标称生产企业的不合格记录 {record} 涉及另一种产品。"
        "Nonconformity {record} of the producer as labelled is about another product."
    NominalClearedReview "N-NOMINAL-CLEARED-REVIEW" 1 Review
        "标称生产企业的记录 {record} 已复查合格，但可能是其不合格批次。"
        "Record {record} of the producer as labelled was cleared, but these may be goods of its failed batch."
    NominalClearedClear "N-NOMINAL-CLEARED-CLEAR" 1 Clear
        "标称生产企业的记录 {record} 已复查合格。"
        "Record {record} of the producer as labelled was cleared by recheck."
    // --- only the name is equal
    NameReview "N-NAME-REVIEW" 1 Review
        "不合格记录 {record}（状态：{state}）的生产企业名称相同，未能核实统一社会信用代码。"
        "Nonconformity {record} (state {state}) names a producer of the same name; the credit code could not be established."
    NameRegimeReview "N-NAME-REGIME-REVIEW" 1 Review
        "已公布的不合格记录 {record}（状态：{state}）的生产企业名称相同；按申报日有效的管理措施，其他产品也须核查。"
        "Published nonconformity {record} (state {state}) names a producer of the same name; under the regime in force its other products need a look too."
    NameDifferentClear "N-NAME-DIFFERENT-CLEAR" 1 Clear
        "同名企业的不合格记录 {record} 涉及另一种产品。"
        "Nonconformity {record} of a producer of the same name is about another product."
    NameClearedReview "N-NAME-CLEARED-REVIEW" 1 Review
        "同名企业的记录 {record} 已复查合格，但可能是其不合格批次。"
        "Record {record} of a producer of the same name was cleared, but these may be goods of its failed batch."
    NameClearedClear "N-NAME-CLEARED-CLEAR" 1 Clear
        "同名企业的记录 {record} 已复查合格。"
        "Record {record} of a producer of the same name was cleared by recheck."
    // --- taken back
    OverturnedClear "N-OVERTURNED-CLEAR" 1 Clear
        "不合格记录 {record} 已被撤销（复检合格或更正）。"
        "Nonconformity {record} was overturned."
    DisownedHold "N-DISOWNED-HOLD" 1 Hold
        "商标和批号与冒用他人名义的不合格品（记录 {record}）相同，真实生产者不明。"
        "Brand and batch equal those of failed goods under a false name (record {record}); their true maker is not known."
    DisownedReview "N-DISOWNED-REVIEW" 1 Review
        "商标、批号之一与冒用他人名义的不合格品（记录 {record}）相同，另一项缺失。"
        "Brand or batch equals that of failed goods under a false name (record {record}); the other is missing on a side."
    DisownedClear "N-DISOWNED-CLEAR" 1 Clear
        "记录 {record} 已认定不是该企业的产品，商标和批号也不相同。"
        "Record {record} was found not to be of this producer, and brand and batch are not those declared."
    // --- open tracks of a nonconformity, whatever its state
    TrackBatchHold "T-BATCH-HOLD" 1 Hold
        "记录 {record} 的{track}尚未解除，涉及本批次。"
        "{track} under record {record} is open and covers this batch."
    TrackProductHold "T-PRODUCT-HOLD" 1 Hold
        "记录 {record} 的{track}尚未解除，涉及该企业的同种产品。"
        "{track} under record {record} is open and covers the same product of the producer."
    TrackEnterpriseHold "T-ENTERPRISE-HOLD" 1 Hold
        "记录 {record} 的{track}尚未解除，涉及该企业全部产品。"
        "{track} under record {record} is open and covers the whole enterprise."
    TrackReview "T-REVIEW" 1 Review
        "记录 {record} 的{track}尚未解除，不能确认是否涉及本商品。"
        "{track} under record {record} is open; whether it covers these goods is not certain."
    // --- other parts in the same story
    SampledSellerReview "SAMPLED_SELLER" 1 Review
        "申报中的企业是不合格记录 {record} 的被抽样（被监测）单位。"
        "A party of the declaration is where the sample of nonconformity {record} was taken."
    ConsigneeBatchHold "CONSIGNEE_BATCH" 1 Hold
        "申报中的发货人或生产销售单位收到过不合格记录 {record}（状态：{state}）所涉批次，本商品与该批次相同。"
        "The exporter or the selling unit received goods of the batch of nonconformity {record} (state {state}), and these are of that batch."
    ConsigneeReview "CONSIGNEE" 1 Review
        "申报中的发货人或生产销售单位收到过不合格记录 {record}（状态：{state}）所涉批次的商品。"
        "The exporter or the selling unit received goods of the batch of nonconformity {record} (state {state})."
    MedicalUseReview "MEDICAL_USE_CLAIMED" 1 Review
        "申报为医用，而生产企业在不合格记录 {record} 中（状态：{state}）。"
        "Medical use is claimed, while the producer stands in nonconformity {record} (state {state})."
    // --- who made it
    MakerNotEstablished "MAKER_NOT_ESTABLISHED" 1 Review
        "未能确定生产企业：请提供生产单位的统一社会信用代码。"
        "The maker could not be established: give the maker's credit code."
    MakerNotEstablishedTolerated "MAKER_NOT_ESTABLISHED_TOLERATED" 1 Clear
        "未能确定生产企业；两份名单均在时限内，本关区配置为不因此核查。"
        "The maker could not be established; both lists are fresh and this district is configured not to review for that alone."
    // --- the regime in force
    ForeignNotListed "FOREIGN_NOT_ON_ALLOW_LIST" 1 Hold
        "声明符合国外标准，但生产企业在申报日不在商务部门确认的清单内。"
        "Foreign standard claimed, but on the day of declaration the maker is not on the list confirmed by commerce."
    ForeignKindUnsure "FOREIGN_KIND_NOT_ESTABLISHED" 1 Review
        "生产企业在商务部门确认的清单内，但清单只涉及部分产品种类，不能确认包括本商品。"
        "The maker is on the list confirmed by commerce, but for some kinds of product only; whether these goods are among them is not certain."
    ForeignMakerUnknown "FOREIGN_MAKER_NOT_ESTABLISHED" 1 Review
        "声明符合国外标准，但未能确定生产企业，无法核对商务部门确认的清单。"
        "Foreign standard claimed, but without an established maker the list confirmed by commerce cannot be consulted."
    StandardUnstated "STANDARD_UNSTATED" 1 Review
        "未声明所执行的标准（国内或国外），按申报日有效的管理措施须核查。"
        "Whether Chinese or foreign standards apply is not stated; the regime in force asks for it."
    JointDeclarationAbsent "JOINT_DECLARATION_ABSENT" 1 Review
        "缺少出口方和进口方共同声明，按申报日有效的管理措施须核查。"
        "The joint declaration of exporter and importer is absent; the regime in force asks for it."
    // --- it cannot be told
    CodeUnusable "INPUT_CODE_UNUSABLE" 1 Unknown
        "申报的统一社会信用代码无法使用：{detail}"
        "A declared credit code cannot be used: {detail}"
    NoParty "INPUT_NO_PARTY" 1 Unknown
        "申报中没有任何企业的名称或代码，无法比对。"
        "The declaration names no enterprise at all: there is nothing to compare."
    GoodsUnknown "INPUT_GOODS_UNKNOWN" 1 Unknown
        "商品名称和商品编码均为空，无法判断是否属于口罩类商品。"
        "Neither goods name nor HS code is given: whether these are masks cannot be told."
    DateImpossible "INPUT_DATE_IMPOSSIBLE" 1 Unknown
        "生产日期晚于申报日期，请核对。"
        "The production date is later than the declaration: check both."
    DataStale "DATA_STALE" 1 Unknown
        "数据已超过时限：{detail}"
        "The data is older than its limit: {detail}"
    DataTruncated "DATA_TRUNCATED" 1 Unknown
        "可能相关的记录过多，未能全部比对；请补充统一社会信用代码、商标和批号后再查。"
        "Too many records may be concerned to compare all: add credit code, brand and batch and ask again."
    // --- the ground
    GoodsNotCovered "GOODS_NOT_COVERED" 1 NotApplicable
        "商品编码和名称均不属于口罩类商品。"
        "Neither HS code nor goods name is of masks."
    NothingKnown "NOTHING_KNOWN" 1 Clear
        "在已知数据中没有针对本商品的记录。"
        "Nothing in the data known speaks against these goods."
}

impl RuleId {
    /// The rule.
    #[must_use]
    pub const fn rule(self) -> &'static Rule {
        // The macro writes both in one order, so the place always exists.
        &RULES[self as usize]
    }

    /// The rule of that stable id.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        RULES.iter().find(|rule| rule.token == token).map(|rule| rule.id)
    }
}

/// A set of rules to judge by. Production always uses [`Rules::ALL`]; tests leave one out to show that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules(u64);

impl Rules {
    /// Every rule.
    pub const ALL: Self = Self(u64::MAX);

    /// The set without one.
    #[must_use]
    pub const fn without(self, id: RuleId) -> Self {
        Self(self.0 & !(1 << id as u64))
    }

    /// True when the rule is in the set.
    #[must_use]
    pub const fn has(self, id: RuleId) -> bool {
        self.0 & (1 << id as u64) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_id_and_stands_in_its_place() {
        assert!(RULES.len() <= 64, "the set is a 64-bit mask");
        for (place, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.id as usize, place);
            assert_eq!(RuleId::parse(rule.token), Some(rule.id), "{} is there twice", rule.token);
            assert_eq!(rule.id.rule().token, rule.token);
        }
    }

    #[test]
    fn both_languages_have_the_same_places() {
        for rule in RULES {
            for place in ["{record}", "{state}", "{track}", "{detail}"] {
                assert_eq!(rule.zh.contains(place), rule.en.contains(place), "{} {place}", rule.token);
            }
        }
    }

    #[test]
    fn words_fill_every_place() {
        let text = RuleId::CodeBatchHold
            .rule()
            .words(&[("record", Text::new("amr-330000/1", "amr-330000/1")), ("state", Text::new("责令改正", "ordered"))]);
        assert_eq!(text.zh, "同一生产企业的同一批次在不合格记录 amr-330000/1 中，现状态：责令改正。");
        assert!(text.en.ends_with("nonconformity amr-330000/1, state ordered."));
    }

    #[test]
    fn a_rule_left_out_is_not_in_the_set_and_all_others_are() {
        let set = Rules::ALL.without(RuleId::DataStale);
        for rule in RULES {
            assert_eq!(set.has(rule.id), rule.id != RuleId::DataStale);
        }
    }

    #[test]
    fn every_rule_stands_in_the_document() {
        let document = include_str!("../../../docs/screening.md");
        for rule in RULES {
            let row = format!("| `{}` | {} | {} | {} |", rule.token, rule.verdict, rule.zh, rule.en);
            assert!(document.contains(&row), "docs/screening.md lacks or misquotes: {row}");
        }
    }
}
