//! Steps a and c: a regulator publishes its workbooks; commerce pulls and publishes.

use super::{Stage, Telling};
use crate::{
    cli::Failure,
    client::{ClientError, Publisher, PublisherOptions, Records},
    domain::{
        dates::CivilDate,
        feeds::Feed,
        ids::{ParticipantId, RecordId},
        records::{Content, ExportQualification, Matter, Party, examples},
        regions::Region,
    },
    intake::{self, Options, Reading, Severity},
    proto::{AttestRequest, GetEnterpriseRequest, Record},
    wire,
};

const SURVEY: &[u8] = include_bytes!("../../../tests/data/survey_form.xlsx");
const SURVEY_WITH_ERRORS: &[u8] = include_bytes!("../../../tests/data/survey_form_with_errors.xlsx");
const FAILED_LIST: &[u8] = include_bytes!("../../../tests/data/failed_list_national.xlsx");

/// The provincial regulator of the story.
pub(super) const REGULATOR: &str = "amr-440000";

/// Step a.
pub(super) async fn publish(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let connection = stage.connect(REGULATOR)?;
    let publisher = Publisher::new(&connection, PublisherOptions::default());
    let survey = read(stage, "survey_form.xlsx", SURVEY)?;
    let answers = publisher.publish(records(&survey), |_| {}).await.map_err(|stopped| stopped.error)?;
    stage.counts.surveys = answers.records.len();
    let rows = survey.counts().rows;
    tell.require(
        answers.records.len() == rows && rows == 40,
        format!("摸底表 {rows} 家企业全部入库，位置 1–{rows}，一个事务"),
        format!("all {rows} enterprises of the survey form stand, positions 1–{rows}, one transaction"),
    );
    let again = publisher.publish(records(&survey), |_| {}).await.map_err(|stopped| stopped.error)?;
    let duplicates = again.records.iter().filter(|record| record.duplicate).count();
    tell.require(
        duplicates == rows,
        "重复发送同一份文件：全部判为重复，返回原位置，没有新增",
        "the same file sent again: every record is a duplicate at its first position, nothing new",
    );
    let list = read(stage, "failed_list_national.xlsx", FAILED_LIST)?;
    let sent = records(&list);
    let answers = publisher.publish(sent.clone(), |_| {}).await.map_err(|stopped| stopped.error)?;
    stage.counts.nonconformities = answers.records.len();
    let resolved = answers.records.iter().filter(|record| record.resolution.is_some()).count();
    tell.require(
        answers.records.len() == 6 && resolved == 5,
        format!("不合格名单 {} 条入库；名单没有信用代码，其中 {resolved} 家由摸底登记唯一对应，1 家未入册，不猜测", answers.records.len()),
        format!("{} failed products stand; the list has no credit codes: {resolved} names equal exactly one survey entry, 1 does not and is not guessed", answers.records.len()),
    );
    stage.failed = sent.into_iter().zip(answers.records).collect();
    refuse_bad_workbook(stage, tell)?;
    refuse_bad_record(&publisher, tell).await;
    for participant in ["samr", REGULATOR] {
        attest(stage, participant, &[Feed::FailedProducts, Feed::Enterprises]).await?;
    }
    attest(stage, "mofcom", &[Feed::ExportQualifications]).await?;
    tell.saw(
        "总局、广东、商务部声明数据完整至此刻；湖北没有声明",
        "the national regulator, Guangdong and commerce attest completeness to this moment; Hubei does not",
    );
    Ok(())
}

/// The workbook with a clerk's mistakes: every finding names its cell, and nothing of it is sent.
fn refuse_bad_workbook(stage: &Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let reading = read(stage, "survey_form_with_errors.xlsx", SURVEY_WITH_ERRORS)?;
    let errors: Vec<_> = reading.findings().filter(|(_, finding)| finding.severity == Severity::Error).collect();
    tell.require(
        errors.len() == 8,
        format!("填错的摸底表：{} 处错误，逐格指出，一条也没有发送", errors.len()),
        format!("the workbook with mistakes: {} errors, each by its cell; nothing of it was sent", errors.len()),
    );
    for (_, finding) in errors.iter().take(3) {
        let (cell, text) = (&finding.cell, &finding.text);
        tell.saw(format!("  {cell}：{}", text.zh), format!("  {cell}: {}", text.en));
    }
    Ok(())
}

/// A record that breaks the rules is refused by the gateway with the path of its field.
async fn refuse_bad_record(publisher: &Publisher, tell: &mut Telling<'_>) {
    let mut survey = examples::survey(1);
    survey.enterprise.name.clear();
    let content = Content { matter: Matter::EnterpriseSurvey(Box::new(survey)), withdrawal: None };
    let record = RecordId::parse(&format!("{REGULATOR}/bad-1")).map(|id| wire::publishable(&id, None, &content, None));
    let Ok(record) = record else { return };
    match publisher.publish_batch(vec![record]).await {
        Err(ClientError::Refused(refusal)) => {
            let fields: Vec<_> = refusal.fields.iter().map(|field| format!("{} [{}]", field.field, field.reason)).collect();
            let shown = fields.join(", ");
            tell.require(
                fields.iter().any(|field| field.contains("enterprise.name")),
                format!("网关同样逐项指出：{shown}"),
                format!("the gateway names the field too: {shown}"),
            );
        }
        other => tell.require(
            false,
            format!("缺名称的记录应被拒绝：{other:?}"),
            format!("a record without a name must be refused: {other:?}"),
        ),
    }
}

/// Step c.
pub(super) async fn commerce(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let connection = stage.connect("mofcom")?;
    let code = stage.resolved_code()?;
    let records = Records::new(&connection);
    let request =
        GetEnterpriseRequest { credit_code: code.clone(), purpose: "出口资质复核".to_owned(), ..Default::default() };
    let answer = records.enterprise(request).await?;
    let file = answer.enterprise.unwrap_or_default();
    let state = file.nonconformities.first().map(|status| status.state_zh.clone()).unwrap_or_default();
    tell.require(
        file.on_deny_list && file.records.len() >= 2,
        format!("{code} 的档案：{}，{} 条记录，不合格状态“{state}”，在不合格名单上", file.names.join("、"), file.records.len()),
        format!(
            "the file of {code}: {}, {} records, state `{state}`, on the deny-list",
            file.names.join(", "),
            file.records.len()
        ),
    );
    let basis = answer.basis.unwrap_or_default();
    tell.saw(
        format!("答案截至位置 {}，证据条目 {}", basis.position, basis.evidence_index),
        format!("the answer is good to position {}; evidence entry {}", basis.position, basis.evidence_index),
    );
    let publisher = Publisher::new(&connection, PublisherOptions::default());
    let (clean, _) = stage.clean_makers()?;
    let content = qualification(&clean, CivilDate::of_instant(stage.context.world.clock.now()))?;
    let id = RecordId::parse(&format!("mofcom/CE-{clean}"))
        .map_err(|error| Failure::usage("RECORD_ID", error.to_string(), error.to_string()))?;
    let (answer, _) = publisher.publish_batch(vec![wire::publishable(&id, None, &content, None)]).await?;
    tell.require(
        answer.records.len() == 1,
        format!("白名单增加 {clean}（CE），证据条目 {}", answer.evidence_index),
        format!("{clean} is on the allow-list (CE), evidence entry {}", answer.evidence_index),
    );
    attest(stage, "mofcom", &[Feed::ExportQualifications]).await
}

fn qualification(code: &str, today: CivilDate) -> Result<Content, Failure> {
    let wrong = |what: &str| Failure::usage("DEMO", what.to_owned(), what.to_owned());
    let code = crate::domain::credit_code::CreditCode::parse(code).map_err(|_| wrong("credit code"))?;
    let year = today.first_day().year();
    Ok(Content {
        matter: Matter::ExportQualification(Box::new(ExportQualification {
            enterprise: Party { name: "示例防护用品有限公司".to_owned(), credit_code: Some(code), ..Party::default() },
            certificate_number: format!("CE-{year}-0001"),
            certifier: "Example Notified Body".to_owned(),
            scheme: "EN 149".to_owned(),
            product_kinds: Vec::new(),
            countries: vec!["DE".to_owned()],
            valid_from: today,
            valid_to: None,
        })),
        withdrawal: None,
    })
}

/// Attests feeds complete to this moment.
pub(super) async fn attest(stage: &Stage<'_>, participant: &str, feeds: &[Feed]) -> Result<(), Failure> {
    let publisher = Publisher::new(&stage.connect(participant)?, PublisherOptions::default());
    for feed in feeds {
        let complete_to_us = stage.context.world.clock.now();
        publisher.attest(AttestRequest { feed: feed.name().to_owned(), region: String::new(), complete_to_us }).await?;
    }
    Ok(())
}

/// Reads a workbook as the regulator's clerk would.
pub(super) fn read(stage: &Stage<'_>, name: &str, bytes: &[u8]) -> Result<Reading, Failure> {
    let today = CivilDate::of_instant(stage.context.world.clock.now());
    let options = Options {
        publisher: ParticipantId::parse(REGULATOR)
            .map_err(|error| Failure::usage("NAME", error.to_string(), error.to_string()))?,
        publisher_region: Region::parse("440000"),
        list_name: Some("2020-national-1".to_owned()),
        today,
        published_on: Some(today),
        allow_synthetic: true,
        accept_unknown_standard: false,
        mapping: crate::intake::Mapping::default(),
    };
    intake::read(name, bytes, &options).map_err(|error| {
        let text = error.text();
        Failure::usage(error.reason(), text.zh, text.en)
    })
}

fn records(reading: &Reading) -> Vec<Record> {
    reading
        .valid()
        .map(|(sheet, row, id, content)| wire::publishable(id, None, content, Some(&reading.provenance(sheet, row))))
        .collect()
}

impl Stage<'_> {
    /// The credit code of the first failed product whose producer was resolved.
    pub(super) fn resolved_code(&self) -> Result<String, Failure> {
        let resolution = self.failed.iter().find_map(|(_, answer)| answer.resolution.as_ref());
        resolution
            .map(|resolution| resolution.credit_code.clone())
            .ok_or_else(|| Failure::new(crate::cli::Exit::Failed, "DEMO", "没有已对应的企业", "no producer was resolved"))
    }

    /// Codes of makers in the survey without a failed product: one in Guangdong, one in Hubei.
    pub(super) fn clean_makers(&self) -> Result<(String, String), Failure> {
        let survey = read(self, "survey_form.xlsx", SURVEY)?;
        let failed: Vec<&str> = self
            .failed
            .iter()
            .filter_map(|(_, answer)| answer.resolution.as_ref())
            .map(|resolution| resolution.credit_code.as_str())
            .collect();
        let clean = |prefix: &str| {
            survey.valid().find_map(|(_, _, _, content)| match &content.matter {
                Matter::EnterpriseSurvey(row) => row
                    .enterprise
                    .credit_code
                    .map(|code| code.to_string())
                    .filter(|code| code[2..].starts_with(prefix) && !failed.contains(&code.as_str())),
                _ => None,
            })
        };
        clean("44").zip(clean("42")).ok_or_else(|| {
            Failure::new(crate::cli::Exit::Failed, "DEMO", "摸底表中没有合适的企业", "no suitable maker in the survey")
        })
    }
}
