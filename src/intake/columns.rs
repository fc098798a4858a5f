//! The words by which columns are known. A new wording is one more string here; code knows meanings alone.

use std::{collections::HashMap, sync::LazyLock};

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::violation::Text;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each meaning is named in both languages in the table below")]
pub enum Meaning {
    Sequence,
    Remark,
    CheckResult,
    Producer,
    NominalProducer,
    SampledEnterprise,
    SampledParty,
    CreditCode,
    Address,
    Region,
    SampledPlace,
    EnterpriseRole,
    ProductKind,
    Standards,
    MeltblownSuppliers,
    Converted,
    Exports,
    MakesMedical,
    DailyOutput,
    Campaign,
    Level,
    Field,
    SamplingNumber,
    ReportNumber,
    SampledOn,
    ReportedOn,
    NotifiedOn,
    PublishedOn,
    Organiser,
    Handler,
    ProductName,
    Brand,
    Model,
    Specification,
    SpecificationAndModel,
    Grade,
    DateAndBatch,
    ProducedOn,
    Batch,
    Laboratory,
    BatchQuantity,
    SampleQuantity,
    Items,
    Measured,
    Limit,
    Conclusion,
    Handling,
}

/// A meaning with its names and the wordings of headers, the first being the usual one.
struct Words {
    meaning: Meaning,
    en: &'static str,
    /// Separated by spaces; white space never matters in a header.
    headers: &'static str,
}

const fn words(meaning: Meaning, en: &'static str, headers: &'static str) -> Words {
    Words { meaning, en, headers }
}

/// Wordings seen in the annex of notice 市监质监〔2020〕51号 and in published lists (domain.md §1, §3), and their kin.
const TABLE: &[Words] = &[
    words(Meaning::Sequence, "serial number", "序号 编号 序 项次 No No. 序列号 #"),
    words(Meaning::Remark, "remark", "备注 说明 备注说明 附注 其他 其他情况 备注信息 Remark Remarks"),
    words(Meaning::CheckResult, "result of an earlier check", "校验结果/CheckResult 校验结果 CheckResult"),
    words(
        Meaning::Producer,
        "producer",
        "生产企业名称 生产企业 生产单位 生产单位名称 生产者 生产者名称 生产厂家 生产厂商 生产厂家名称 制造商 制造商名称 \
         生产商 生产商名称 企业名称 企业 单位名称 厂家名称 厂名 口罩生产企业 口罩生产企业名称 企业全称 Producer Manufacturer",
    ),
    words(
        Meaning::NominalProducer,
        "producer as labelled",
        "标称生产单位名称 标称生产企业名称 标称生产单位 标称生产企业 标称生产者 标称生产者名称 标称企业名称 标称企业 \
         标称生产厂家 标称制造商 标称生产商 标称生产单位(企业)名称 标示生产企业 标示生产企业名称 标示生产单位 标识生产企业名称",
    ),
    words(
        Meaning::SampledEnterprise,
        "enterprise sampled (at the producer)",
        "抽查企业名称 抽查企业 受检企业名称 受检企业 被抽查企业名称 被抽查企业 受检单位 受检单位名称 抽检企业名称 抽检企业 \
         被抽企业名称 被抽查单位 被抽查单位名称",
    ),
    words(
        Meaning::SampledParty,
        "party where the sample was taken",
        "被监测人 被抽样单位 被抽样单位名称 被抽样人 被抽样人名称 被抽样经营者 被抽样企业 被抽样企业名称 被采样单位 被抽检单位 \
         被抽检单位名称 被抽样销售者 经营者 经营者名称 经营单位 经营单位名称 经营企业 经营企业名称 销售单位 销售单位名称 \
         销售企业 销售企业名称 销售者 销售者名称 销售商 抽样单位(被抽样) 经销单位 经销单位名称 网店名称 店铺名称 被监测人名称",
    ),
    words(
        Meaning::CreditCode,
        "unified social credit code",
        "统一社会信用代码 社会信用代码 统一信用代码 信用代码 企业统一社会信用代码 统一社会信用代码/组织机构代码 组织机构代码 \
         统一社会信用代码(组织机构代码) 营业执照号 营业执照注册号 工商注册号 注册号 生产企业统一社会信用代码 CreditCode",
    ),
    words(
        Meaning::Address,
        "address of the producer",
        "地址 企业地址 生产地址 生产企业地址 生产单位地址 详细地址 厂址 注册地址 企业详细地址 标称生产企业地址 标称生产单位地址 \
         住所 单位地址 生产者地址",
    ),
    words(
        Meaning::Region,
        "region of the producer",
        "企业所在地 生产企业所在地 所在地 所在地区 地区 省份 所在省份 所在省 省 生产企业所在地区 企业所在省份 产地 \
         抽查企业所在地 受检企业所在地 标称生产企业所在地 生产单位所在地 行政区划 行政区划代码 所属地区",
    ),
    words(
        Meaning::SampledPlace,
        "place of sampling",
        "抽样地点 采样地点 抽样地址 被抽样单位地址 被抽样人地址 经营地址 经营者地址 抽检地点 被抽样单位所在地 销售地址 抽样场所 采样地址",
    ),
    words(Meaning::EnterpriseRole, "what the enterprise makes", "企业类型 企业类别 生产类型 企业性质 生产类别 主要产品类型"),
    words(
        Meaning::ProductKind,
        "product kinds",
        "产品品种 产品种类 产品类别 产品类型 口罩品种 口罩种类 口罩类型 口罩类别 品种 种类 类别 生产品种 商品类别 样品类别",
    ),
    words(
        Meaning::Standards,
        "standards",
        "执行标准 产品执行标准 标准 产品标准 执行标准号 执行标准编号 标称执行标准 明示执行标准 明示标准 标准编号 标准号 \
         执行的标准 采用标准 产品明示标准 标示执行标准 产品执行标准编号 执行标准代号",
    ),
    words(
        Meaning::MeltblownSuppliers,
        "suppliers of meltblown cloth",
        "熔喷布供货企业 熔喷布供应商 熔喷布供货商 熔喷布供应企业 熔喷布来源 熔喷布供货企业名称 熔喷布供货单位 熔喷布生产企业 \
         熔喷布供应单位 熔喷布供货方 熔喷布采购来源 熔喷布供应商名称",
    ),
    words(
        Meaning::Converted,
        "converted to masks for the epidemic",
        "是否为疫情防控期间转产、投产口罩企业 是否疫情防控期间转产、投产口罩企业 是否疫情期间转产、投产口罩企业 \
         是否为疫情期间转产投产企业 是否为疫情防控期间转产投产企业 是否转产、投产 是否转产 是否转产企业 转产、投产口罩企业 \
         是否疫情期间转产 是否为转产企业 疫情防控期间转产、投产口罩企业 疫情防控期间转产投产 是否为疫情防控期间转产、投产企业 \
         是否新转产 转产企业 是否转产投产 是否为疫情防控期间转产投产口罩企业",
    ),
    words(Meaning::Exports, "exports", "是否出口 出口 有无出口 是否有出口 是否出口企业 是否为出口企业 出口企业 产品是否出口"),
    words(
        Meaning::MakesMedical,
        "makes medical masks",
        "是否生产医用口罩 生产医用口罩 是否同时生产医用口罩 有无生产医用口罩 是否有医用口罩 是否生产医用 是否兼产医用口罩 是否医用口罩生产企业",
    ),
    words(
        Meaning::DailyOutput,
        "non-medical masks a day",
        "非医用口罩产量 非医用口罩日产量 日产量 产量 日产能 非医用口罩日均产量 非医用口罩产能 口罩日产量 日均产量 每日产量 \
         非医用口罩每日产量 产能 非医用口罩日产能 口罩产量",
    ),
    words(
        Meaning::Campaign,
        "campaign",
        "抽查任务 任务名称 抽查批次名称 抽查名称 抽查项目 抽检任务 任务来源 抽查计划 计划名称 抽查任务名称",
    ),
    words(Meaning::Level, "level of the organiser", "级别 抽查级别 抽检级别 任务级别 抽查层级 层级"),
    words(Meaning::Field, "field of sampling", "领域 抽查领域 抽样领域 抽样环节 环节 抽查环节 监测领域 抽检环节 抽样渠道"),
    words(
        Meaning::SamplingNumber,
        "sampling number",
        "抽样编号 抽样单编号 抽样单号 样品编号 采样编号 抽样单编码 抽样单 抽检编号 抽查编号 监测编号 抽样文书编号",
    ),
    words(
        Meaning::ReportNumber,
        "report number",
        "报告编号 检验报告编号 检验报告号 报告号 检测报告编号 检测报告号 检验报告书编号",
    ),
    words(Meaning::SampledOn, "day of sampling", "抽样日期 采样日期 抽样时间 抽检日期 抽查日期 抽检时间 采样时间"),
    words(Meaning::ReportedOn, "day of the report", "报告日期 检验日期 报告签发日期 签发日期 检验报告日期 检测日期 报告时间"),
    words(Meaning::NotifiedOn, "day the producer was told", "告知日期 送达日期 通知日期 结果告知日期 报告送达日期"),
    words(Meaning::PublishedOn, "day of publication", "公告日期 发布日期 公布日期 公示日期 公开日期 通报日期 公布时间 发布时间"),
    words(
        Meaning::Organiser,
        "organiser",
        "组织抽查单位 抽查单位 组织单位 任务下达单位 抽查机关 抽查部门 组织部门 下达任务单位 组织实施单位 抽样机关",
    ),
    words(
        Meaning::Handler,
        "authority that handles the producer",
        "处理单位 处置单位 后处理单位 处理机关 承办单位 核查处置单位 办理单位 后处理部门 处置部门",
    ),
    words(
        Meaning::ProductName,
        "product name",
        "产品名称 商品名称 样品名称 品名 名称(产品) 标称产品名称 食品名称 货品名称 抽查产品名称 产品 商品 样品 口罩名称 ProductName",
    ),
    words(Meaning::Brand, "brand", "商标 品牌 注册商标 标称商标 商标/品牌 品牌/商标 商标品牌 商标名称 Brand"),
    words(Meaning::Model, "model", "型号 产品型号 Model"),
    words(Meaning::Specification, "specification", "规格 产品规格"),
    words(
        Meaning::SpecificationAndModel,
        "specification and model",
        "规格型号 型号规格 规格/型号 型号/规格 产品规格型号 规格及型号 规格、型号 型号、规格 标称规格型号 标称规格 规格(型号)",
    ),
    words(Meaning::Grade, "grade", "产品等级 等级 质量等级 产品级别 防护等级 防护级别 过滤级别 级别(产品)"),
    words(
        Meaning::DateAndBatch,
        "production date and batch",
        "生产日期/批号 生产日期或批号 生产日期(批号) 生产日期/批次 生产日期、批号 生产日期或批次 批号/生产日期 生产批号/日期 \
         生产日期及批号 标称生产日期/批号 生产日期/生产批号 生产日期/货号 购进日期/批号 批号或生产日期 生产日期批号 \
         标称生产日期或批号 生产日期(或批号) 批次/生产日期 生产日期和批号 生产日期/批次号 生产日期或批号(编号)",
    ),
    words(Meaning::ProducedOn, "production date", "生产日期 制造日期 标称生产日期 出厂日期 生产时间"),
    words(Meaning::Batch, "batch", "批号 生产批号 批次 产品批号 批次号 生产批次 货号/批号 Batch"),
    words(
        Meaning::Laboratory,
        "laboratory",
        "承检机构 检验机构 承检单位 检测机构 检验单位 承检机构名称 检验机构名称 检测单位 技术机构",
    ),
    words(Meaning::BatchQuantity, "pieces in the batch", "批量 抽样基数 产品批量 抽样批量 基数 生产数量 批量/基数 进货量"),
    words(Meaning::SampleQuantity, "pieces sampled", "抽样数量 样品数量 抽样量 样本数量 抽样数"),
    words(
        Meaning::Items,
        "failed items",
        "不合格项目 主要不合格项目 不符合项目 不合格项 不符合项 不合格项目名称 主要不合格项 不合格检验项目 不达标项目 \
         不合格指标 不符合标准项目 不合格(不符合)项目 不合格原因 主要不合格项目名称 检验不合格项目 不合格内容 FailedItems",
    ),
    words(Meaning::Measured, "measured value", "实测值 检验结果 检测结果 检验值 检测值 实测结果 检验实测值 不合格检测值 测定值"),
    words(
        Meaning::Limit,
        "limit",
        "标准值 标准要求 技术要求 标准指标 限值 标准限值 标准规定 规定值 指标要求 标准技术要求 要求值",
    ),
    words(
        Meaning::Conclusion,
        "conclusion",
        "抽查结果 检验结论 结论 抽检结果 监测结果 检测结论 判定结果 抽查结论 综合判定 结果 检验判定 判定",
    ),
    words(
        Meaning::Handling,
        "what was done about it",
        "整改情况 整改复查情况 处理情况 后处理情况 处置情况 整改结果 复查情况 整改及复查情况 处理结果 整改复查结果 核查处置情况 \
         后续处理情况 复查结果 整改、复查情况 整改处理情况 处置结果 整改状态",
    ),
];

/// Key by which headers are compared: NFKC, without white space and decoration, lower case.
pub fn header_key(text: &str) -> String {
    let folded: String =
        text.nfkc().filter(|c| !c.is_whitespace() && !matches!(c, '*' | '_' | '\u{200b}' | '\u{feff}')).collect();
    let folded = folded.replace(['【', '〔', '['], "(").replace(['】', '〕', ']'], ")").to_lowercase();
    folded.trim_matches([':', '：', ';', '.', '、']).to_owned()
}

static BY_KEY: LazyLock<HashMap<String, Meaning>> = LazyLock::new(|| {
    TABLE.iter().flat_map(|row| row.headers.split_whitespace().map(|header| (header_key(header), row.meaning))).collect()
});

/// A header's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The meaning.
    pub meaning: Meaning,
    /// What stood in brackets and was left aside to find it, e.g. `只/日`.
    pub aside: Option<String>,
}

/// The meaning of one header text; longer texts than any header are not looked at.
pub fn understand(text: &str) -> Option<Understood> {
    if text.len() > 200 {
        return None;
    }
    let key = header_key(text);
    if let Some(meaning) = BY_KEY.get(&key) {
        return Some(Understood { meaning: *meaning, aside: None });
    }
    let (outside, aside) = without_brackets(&key);
    let meaning = if aside.is_empty() { None } else { BY_KEY.get(&outside) };
    meaning.map(|meaning| Understood { meaning: *meaning, aside: Some(aside) })
}

/// True when a cell is word for word a known header: the cheap test for rows of data.
pub fn is_header_word(text: &str) -> bool {
    text.len() <= 120 && BY_KEY.contains_key(text)
}

/// What stands outside and inside the brackets of a header key.
pub fn without_brackets(key: &str) -> (String, String) {
    let (mut outside, mut inside, mut depth) = (String::new(), String::new(), 0_u32);
    for c in key.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(c),
            _ => inside.push(c),
        }
    }
    (outside, inside)
}

impl Meaning {
    fn words(self) -> Option<&'static Words> {
        TABLE.iter().find(|row| row.meaning == self)
    }

    /// Every meaning.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.meaning)
    }

    /// The meaning of that English name.
    pub fn of_english(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.en.eq_ignore_ascii_case(name.trim())).map(|row| row.meaning)
    }

    /// Its name in both languages.
    pub fn name(self) -> Text {
        self.words()
            .map_or_else(|| Text::new("", ""), |row| Text::new(row.headers.split_whitespace().next().unwrap_or_default(), row.en))
    }

    /// Columns that hold yes or no.
    pub const fn is_yes_or_no(self) -> bool {
        matches!(self, Self::Converted | Self::Exports | Self::MakesMedical)
    }

    /// Columns that several of a sheet may be, since nothing is read from them.
    pub const fn is_not_read(self) -> bool {
        matches!(self, Self::Sequence | Self::Remark | Self::CheckResult)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wording_has_two_meanings() {
        let mut seen = HashMap::new();
        for row in TABLE {
            for header in row.headers.split_whitespace() {
                if let Some(other) = seen.insert(header_key(header), row.meaning) {
                    assert_eq!(other, row.meaning, "{header}");
                }
            }
        }
    }

    #[test]
    fn every_meaning_has_names() {
        for row in TABLE {
            let name = row.meaning.name();
            assert!(!name.zh.is_empty() && !name.en.is_empty());
        }
    }

    #[test]
    fn width_white_space_units_and_decoration_do_not_matter() {
        for (text, meaning, aside) in [
            ("非医用口罩产量\n(只/日)", Meaning::DailyOutput, Some("只/日")),
            ("非医用口罩产量（万只／日）", Meaning::DailyOutput, Some("万只/日")),
            ("生 产 日 期／批 号", Meaning::DateAndBatch, None),
            ("＊统一社会信用代码：", Meaning::CreditCode, None),
            ("规格（型号）", Meaning::SpecificationAndModel, None),
        ] {
            let understood = understand(text).expect(text);
            assert_eq!((understood.meaning, understood.aside.as_deref()), (meaning, aside), "{text}");
        }
        assert_eq!(understand("深圳示例乙甲防护用品有限公司"), None);
    }
}
