//! Step d: customs screens four declarations.

use super::{Stage, Telling, publishing::REGULATOR};
use crate::{
    cli::Failure,
    client::Screening,
    domain::feeds::Feed,
    proto::{CivilDate, Declaration, DeclarationItem, Party, ScreenRequest, Verdict},
};

/// Step d.
pub(super) async fn screen(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    for participant in ["samr", REGULATOR] {
        super::publishing::attest(stage, participant, &[Feed::FailedProducts, Feed::Enterprises]).await?;
    }
    let screening = Screening::new(&stage.connect("gacc")?);
    let (guangdong, hubei) = stage.clean_makers()?;
    let held = stage.resolved_code()?;
    let failed_day = CivilDate { year: 2020, month: 2, day: 13 };
    let other_day = CivilDate { year: 2020, month: 6, day: 1 };
    let mut unstated = declaration(2, Some(&guangdong), other_day);
    unstated.items.iter_mut().for_each(|item| "unstated".clone_into(&mut item.claimed_standard));
    let cases = [
        (
            Verdict::Hold,
            "生产企业的同一批次不合格",
            "the very batch of a failed product",
            declaration(1, Some(&held), failed_day),
        ),
        (Verdict::Review, "没有说明执行中国标准还是外国标准", "it is not said to which standard the goods are made", unstated),
        (
            Verdict::Clear,
            "两份名单都新鲜，没有不利记录",
            "both lists are fresh and nothing speaks against it",
            declaration(3, Some(&guangdong), other_day),
        ),
        (
            Verdict::Unknown,
            "湖北的数据未声明完整，不能放心",
            "Hubei has not attested: nobody can tell",
            declaration(4, Some(&hubei), other_day),
        ),
    ];
    for (expected, zh, en, declaration) in cases {
        let answer = screening.screen(ScreenRequest { declaration: Some(declaration), ..Default::default() }).await?;
        stage.counts.screenings += 1;
        let verdict = answer.verdict().as_str_name().trim_start_matches("VERDICT_").to_owned();
        tell.require(answer.verdict() == expected, format!("{verdict}：{zh}"), format!("{verdict}: {en}"));
        if let Some(reason) = answer.items.first().and_then(|item| item.reasons.first()) {
            tell.saw(format!("  {} {}", reason.rule_id, reason.text_zh), format!("  {} {}", reason.rule_id, reason.text_en));
        }
    }
    Ok(())
}

pub(super) fn declaration(serial: u32, maker: Option<&str>, produced_on: CivilDate) -> Declaration {
    Declaration {
        number: format!("53002020{serial:010}"),
        exporter: Some(Party { name: "示例进出口有限公司".to_owned(), ..Party::default() }),
        maker: maker.map(|code| Party { credit_code: code.to_owned(), ..Party::default() }),
        joint_declaration: "present".to_owned(),
        office: "5300".to_owned(),
        items: vec![DeclarationItem {
            goods_name: "一次性日常防护口罩".to_owned(),
            hs_code: "6307900010".to_owned(),
            produced_on: Some(produced_on),
            claimed_standard: "chinese".to_owned(),
            ..DeclarationItem::default()
        }],
        ..Declaration::default()
    }
}
