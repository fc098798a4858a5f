//! The column as static files: pages that need no script, JSON, and Atom. Chinese first, with English labels.
//!
//! Invariant: whatever a record says is text here. It passes [`text`] on its way into markup, and nothing else writes markup.

use std::fmt::Write as _;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::domain::{
    digest::{hex, sha256},
    ids::Micros,
    public_column::{Correction, PublicResult},
    regions::Region,
};

/// Style of every page, in the page itself.
const STYLE: &str = "body{font-family:sans-serif;line-height:1.6;margin:0 auto;max-width:72rem;padding:1rem}\
table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:bold;padding:.5rem 0}\
th,td{border:1px solid #767676;padding:.3rem .5rem;text-align:left;vertical-align:top}th{background:#f2f2f2}\
[lang=en]{color:#595959;font-weight:normal}a{color:#0b57d0}";

/// One result of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) result: &'a PublicResult,
    pub(super) correction: Option<&'a Correction>,
    pub(super) changed_at: Micros,
}

/// Where a page stands: the nation's, or a province's folder below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Code of the province; empty = nationwide.
    pub(super) province: String,
}

impl Place {
    fn name(&self) -> (String, String) {
        if self.province.is_empty() {
            return ("全国".to_owned(), "nationwide".to_owned());
        }
        let name = Region::parse(&self.province).and_then(Region::name_zh).unwrap_or("地区不详");
        (name.to_owned(), self.province.clone())
    }

    /// The way from here to the root of the column.
    fn up(&self) -> &'static str {
        if self.province.is_empty() { "" } else { "../" }
    }

    /// Path of a file of this place.
    pub(super) fn file(&self, name: &str) -> String {
        if self.province.is_empty() { name.to_owned() } else { format!("{}/{name}", self.province) }
    }
}

/// Path of the page of a result, from the root: the same for ever, whatever becomes of the result.
pub(super) fn page_of(record_id: &str) -> String {
    format!("r/{}.html", hex(&sha256(&[b"tongbao/column/v1", record_id.as_bytes()])[..16]))
}

/// A text as it may stand in markup and in quoted attributes; what XML cannot hold is left out.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A label in both languages.
fn label(zh: &str, en: &str) -> String {
    format!("{} <span lang=\"en\">{}</span>", text(zh), text(en))
}

fn page(title_zh: &str, title_en: &str, feed: Option<&str>, body: &str) -> String {
    let alternate = feed.map_or_else(String::new, |feed| {
        format!("<link rel=\"alternate\" type=\"application/atom+xml\" href=\"{}\" />", text(feed))
    });
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\" />\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\
         <title>{} · {}</title>{alternate}<style>{STYLE}</style></head>\n<body><main><h1>{}</h1>\n{body}</main></body></html>\n",
        text(title_zh),
        text(title_en),
        label(title_zh, title_en),
    )
}

/// The page of one result: the result, or what corrected it.
pub(super) fn result_page(shown: &Shown<'_>) -> String {
    let result = shown.result;
    let mut body = String::new();
    if let Some(correction) = shown.correction {
        let (zh, en) = correction.kind.words();
        let _ = writeln!(body, "<p><strong>{}</strong>（{}）</p>", label(zh, en), text(&correction.corrected_on));
        let named = format!("{} · {} · {}", result.producer, result.product, result.date_and_batch);
        let _ = writeln!(body, "<p>{}: {}</p>", label("所涉结果", "result concerned"), text(&named));
    } else {
        let nominal = if result.nominal { label("（标称）", "(as labelled)") } else { String::new() };
        let items: Vec<String> = result
            .items
            .iter()
            .map(|item| text(format!("{} {} {}", item.name_zh, item.measured, item.limit).trim_end()))
            .collect();
        let since = if result.since.is_empty() { String::new() } else { label(&result.since_zh, &result.since) };
        let rows = [
            (label("生产者", "producer"), format!("{}{nominal}", text(&result.producer))),
            (label("统一社会信用代码", "credit code"), text(&result.credit_code)),
            (label("产品", "product"), text(&result.product)),
            (label("商标", "brand"), text(&result.brand)),
            (label("型号", "model"), text(&result.model)),
            (label("规格", "specification"), text(&result.specification)),
            (label("生产日期/批号", "production date or batch"), text(&result.date_and_batch)),
            (label("不合格项目", "failed items"), items.join("<br />")),
            (label("组织单位", "organiser"), text(&result.organiser)),
            (label("承检机构", "laboratory"), text(&result.laboratory)),
            (label("公布日期", "published"), text(&result.published_on)),
            (label("后续", "since then"), since),
        ];
        body.push_str("<table><tbody>\n");
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(body, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
        }
        body.push_str("</tbody></table>\n");
    }
    let _ = writeln!(body, "<p><a href=\"../index.html\">{}</a></p>", label("不合格产品公示", "failed products"));
    page("不合格产品", "failed product", None, &body)
}

fn table(caption: &str, shown: &[Shown<'_>], up: &str) -> String {
    let heads = [
        ("公布日期", "published"),
        ("生产者", "producer"),
        ("产品", "product"),
        ("商标、型号", "brand, model"),
        ("生产日期/批号", "date or batch"),
        ("不合格项目", "failed items"),
    ];
    let heads = heads.map(|(zh, en)| format!("<th scope=\"col\">{}</th>", label(zh, en))).concat();
    let mut out = format!("<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>\n");
    for one in shown {
        let result = one.result;
        let items: Vec<String> = result.items.iter().map(|item| text(&item.name_zh)).collect();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td><a href=\"{up}{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&result.published_on),
            text(&result.producer),
            page_of(&result.record_id),
            text(&result.product),
            text(format!("{} {}", result.brand, result.model).trim()),
            text(&result.date_and_batch),
            items.join("、"),
        );
    }
    out.push_str("</tbody></table>\n");
    out
}

fn corrections(corrected: &[Shown<'_>], up: &str) -> String {
    if corrected.is_empty() {
        return String::new();
    }
    let mut out = format!("<h2>{}</h2>\n<ul>\n", label("更正", "corrections"));
    for one in corrected {
        let Some(correction) = one.correction else { continue };
        let (zh, en) = correction.kind.words();
        let _ = writeln!(
            out,
            "<li>{} <a href=\"{up}{}\">{}</a> {}</li>",
            text(&correction.corrected_on),
            page_of(&one.result.record_id),
            text(&format!("{} {}", one.result.producer, one.result.product)),
            label(zh, en),
        );
    }
    out.push_str("</ul>\n");
    out
}

/// What a place's first page tells.
pub(super) struct Overview<'a> {
    pub(super) place: &'a Place,
    /// The newest that stand.
    pub(super) newest: &'a [Shown<'a>],
    /// The newest corrections.
    pub(super) corrected: &'a [Shown<'a>],
    /// Months with the number of results, newest first.
    pub(super) months: &'a [(String, usize)],
    /// Provinces with the number of results; for the nationwide page.
    pub(super) provinces: &'a [(String, usize)],
    /// What the column takes in: position and time.
    pub(super) position: u64,
}

/// The first page of a place.
pub(super) fn overview_page(overview: &Overview<'_>) -> String {
    let place = overview.place;
    let (zh, en) = place.name();
    let mut body = String::new();
    if !overview.provinces.is_empty() {
        let _ = writeln!(body, "<h2>{}</h2>\n<ul>", label("按地区", "by region"));
        for (province, count) in overview.provinces {
            let of = Place { province: province.clone() };
            let name = of.name().0;
            let _ = writeln!(body, "<li><a href=\"{}\">{}</a> ({count})</li>", text(&of.file("index.html")), text(&name));
        }
        body.push_str("</ul>\n");
    }
    if !place.province.is_empty() {
        let _ = writeln!(body, "<p><a href=\"../index.html\">{}</a></p>", label("全国", "nationwide"));
    }
    body.push_str(&table(&label("最近公布", "newest"), overview.newest, place.up()));
    body.push_str(&corrections(overview.corrected, place.up()));
    let _ = writeln!(body, "<h2>{}</h2>\n<ul>", label("按月", "by month"));
    for (month, count) in overview.months {
        let _ = writeln!(body, "<li><a href=\"{0}.html\">{0}</a> ({count}) <a href=\"{0}.json\">JSON</a></li>", text(month));
    }
    let _ = writeln!(body, "</ul>\n<p><a href=\"feed.atom\">Atom</a> <a href=\"index.json\">JSON</a></p>");
    page(&format!("不合格产品公示：{zh}"), &format!("failed products: {en}"), Some("feed.atom"), &body)
}

/// The same as data.
pub(super) fn overview_json(overview: &Overview<'_>) -> Value {
    let months = overview.months.iter().map(|(month, results)| json!({ "month": month, "results": results }));
    let provinces = overview.provinces.iter().map(|(province, results)| json!({ "province": province, "results": results }));
    json!({
        "province": overview.place.province,
        "position": overview.position,
        "months": months.collect::<Vec<_>>(),
        "provinces": provinces.collect::<Vec<_>>(),
        "newest": overview.newest.iter().map(as_json).collect::<Vec<_>>(),
        "corrections": overview.corrected.iter().map(as_json).collect::<Vec<_>>(),
    })
}

/// A month of a place.
pub(super) fn month_page(place: &Place, month: &str, shown: &[Shown<'_>], corrected: &[Shown<'_>]) -> String {
    let (zh, en) = place.name();
    let mut body = table(&label(month, "month"), shown, place.up());
    body.push_str(&corrections(corrected, place.up()));
    let _ = writeln!(body, "<p><a href=\"index.html\">{}</a></p>", label(&zh, &en));
    page(&format!("不合格产品公示：{zh} {month}"), &format!("failed products: {en} {month}"), None, &body)
}

/// The same as data.
pub(super) fn month_json(place: &Place, month: &str, shown: &[Shown<'_>], corrected: &[Shown<'_>]) -> Value {
    json!({
        "province": place.province,
        "month": month,
        "results": shown.iter().map(as_json).collect::<Vec<_>>(),
        "corrections": corrected.iter().map(as_json).collect::<Vec<_>>(),
    })
}

/// A result or correction as data. What was corrected is named, and no more of it is told.
fn as_json(shown: &Shown<'_>) -> Value {
    let page = page_of(&shown.result.record_id);
    match shown.correction {
        None => json!({ "page": page, "changed_at": moment(shown.changed_at), "result": shown.result }),
        Some(correction) => json!({
            "page": page,
            "changed_at": moment(shown.changed_at),
            "correction": correction,
            "record_id": shown.result.record_id,
            "producer": shown.result.producer,
            "product": shown.result.product,
            "date_and_batch": shown.result.date_and_batch,
        }),
    }
}

/// The newest results and corrections of a place as Atom.
pub(super) fn atom(place: &Place, base: &str, newest: &[Shown<'_>]) -> String {
    let (zh, en) = place.name();
    let updated = newest.iter().map(|one| one.changed_at).max().unwrap_or(0);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"zh-CN\">\
         <id>{}</id><title>{}</title><updated>{}</updated><author><name>tongbao</name></author>\
         <link rel=\"self\" href=\"{}\" />\n",
        urn(&format!("feed/{}", place.province)),
        text(&format!("不合格产品公示：{zh} · failed products: {en}")),
        moment(updated),
        text(&format!("{base}{}", place.file("feed.atom"))),
    );
    for one in newest {
        let result = one.result;
        let title = format!("{} {} {}", result.producer, result.product, result.date_and_batch);
        let summary = match one.correction {
            Some(correction) => {
                let (zh, en) = correction.kind.words();
                format!("更正：{zh} · correction: {en}")
            }
            None => result.items.iter().map(|item| item.name_zh.as_str()).collect::<Vec<_>>().join("、"),
        };
        let link = if base.is_empty() {
            format!("{}{}", place.up(), page_of(&result.record_id))
        } else {
            format!("{base}{}", page_of(&result.record_id))
        };
        let _ = writeln!(
            out,
            "<entry><id>{}</id><title>{}</title><updated>{}</updated><link href=\"{}\" /><summary>{}</summary></entry>",
            urn(&result.record_id),
            text(&title),
            moment(one.changed_at),
            text(&link),
            text(&summary),
        );
    }
    out.push_str("</feed>\n");
    out
}

/// A name that stays: a UUID (version 8) of the digest.
fn urn(name: &str) -> String {
    let digest = sha256(&[b"tongbao/column/urn/v1", name.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let all = hex(&bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

/// RFC 3339, UTC.
fn moment(at: Micros) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::public_column::{CorrectionKind, PublicItem};

    const HOSTILE: &str = "<script>alert('x')</script>\" onload=\"y & z\u{0}\u{ffff}]]>";

    fn result(filling: &str) -> PublicResult {
        let filling = || filling.to_owned();
        PublicResult {
            record_id: filling(),
            province: "330000".into(),
            published_on: "2020-05-20".into(),
            producer: filling(),
            credit_code: filling(),
            nominal: true,
            product: filling(),
            brand: filling(),
            model: filling(),
            specification: filling(),
            date_and_batch: filling(),
            items: vec![PublicItem { item: filling(), name_zh: filling(), measured: filling(), limit: filling() }],
            organiser: filling(),
            laboratory: filling(),
            since: filling(),
            since_zh: filling(),
        }
    }

    /// Tags close in the order they were opened, attributes are quoted, and no `<` or `&` stands loose.
    fn assert_well_formed(markup: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = markup;
        while let Some(at) = rest.find('<') {
            let before = &rest[..at];
            for (at, _) in before.match_indices('&') {
                let entity = &before[at..];
                assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| entity.starts_with(known)), "{entity}");
            }
            let end = rest[at..].find('>').map(|end| at + end).expect("a tag ends");
            let tag = &rest[at + 1..end];
            rest = &rest[end + 1..];
            if tag.starts_with(['!', '?']) || tag.ends_with('/') {
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(tag.split(' ').next().expect("a name")),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    fn every_page(result: &PublicResult) -> Vec<String> {
        let correction = Correction { kind: CorrectionKind::Overturned, corrected_on: "2020-06-01".into(), position: 9 };
        let shown = [Shown { result, correction: None, changed_at: 1 }];
        let corrected = [Shown { result, correction: Some(&correction), changed_at: 2 }];
        let place = Place { province: "330000".into() };
        let (months, provinces) = ([("2020-05".to_owned(), 1)], [("330000".to_owned(), 1)]);
        let overview = Overview {
            place: &place,
            newest: &shown,
            corrected: &corrected,
            months: &months,
            provinces: &provinces,
            position: 9,
        };
        vec![
            result_page(&shown[0]),
            result_page(&corrected[0]),
            overview_page(&overview),
            month_page(&place, "2020-05", &shown, &corrected),
            atom(&place, "https://example.org/column/", &corrected),
            atom(&Place { province: String::new() }, "", &shown),
        ]
    }

    #[test]
    fn hostile_text_stays_text_in_well_formed_pages() {
        for page in every_page(&result(HOSTILE)) {
            assert!(!page.contains("<script") && !page.contains("onload=\""), "{page}");
            assert!(page.contains("&lt;script&gt;"), "{page}");
            assert!(!page.chars().any(|c| c == '\u{0}' || c == '\u{ffff}'));
            assert_well_formed(&page);
        }
    }

    #[test]
    fn pages_say_their_language_and_need_no_script() {
        for page in every_page(&result("示例")).iter().take(4) {
            assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"zh-CN\">") && page.contains("<meta charset=\"utf-8\" />"));
            assert!(page.contains("<main>") && page.contains("<h1>") && !page.contains("<script"));
        }
    }

    #[test]
    fn a_correction_says_that_and_not_what_was_found() {
        let item =
            PublicItem { item: "filtration_efficiency".into(), name_zh: "过滤效率".into(), ..result("").items.remove(0) };
        let result = PublicResult { items: vec![item], ..result("示例") };
        let pages = every_page(&result);
        assert!(pages[0].contains("过滤效率") && !pages[1].contains("过滤效率"), "{}", pages[1]);
        assert!(pages[1].contains("该结果已撤销") && !pages[4].contains("过滤效率"));
        let correction = Correction { kind: CorrectionKind::Withdrawn, corrected_on: "2020-06-01".into(), position: 9 };
        let told = as_json(&Shown { result: &result, correction: Some(&correction), changed_at: 0 }).to_string();
        assert!(!told.contains("filtration_efficiency") && told.contains("withdrawn"), "{told}");
    }

    #[test]
    fn names_of_pages_never_change() {
        assert_eq!(page_of("amr-330000/1"), page_of("amr-330000/1"));
        assert_ne!(page_of("amr-330000/1"), page_of("amr-330000/2"));
        assert_eq!(page_of("a/../../etc").len(), "r/".len() + 32 + ".html".len());
        assert!(urn("x").starts_with("urn:uuid:") && urn("x") == urn("x"));
    }
}
