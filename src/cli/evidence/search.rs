//! `tongbao evidence search`.

use clap::Args;

use crate::{
    cli::{
        Context, Exit, Failure,
        attest::moment,
        connect::connect,
        output::{show_moment, table},
    },
    client::Evidence,
    domain::evidence::{ActKind, Entry, read_entry},
    proto::SearchEntriesRequest,
};

/// Which entries; every given flag must match.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Kind of act, e.g. publish, disclose, settle, pull, screen, refuse.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Participant that acted.
    #[arg(long, default_value = "", hide_default_value = true)]
    participant: String,
    /// System that acted.
    #[arg(long, default_value = "", hide_default_value = true, requires = "participant")]
    system: String,
    /// Record id, credit code or other subject.
    #[arg(long, default_value = "", hide_default_value = true)]
    subject: String,
    /// Entries whose positions include this one.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    position: u64,
    /// From this time, or the end of this day.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Through this time, or the whole of this day.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// `OK`, or the reason of a refusal.
    #[arg(long, default_value = "", hide_default_value = true)]
    outcome: String,
    /// Most entries shown.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl Arguments {
    fn request(self, context: &Context) -> Result<SearchEntriesRequest, Failure> {
        let kind = match self.kind.as_deref() {
            None => 0,
            Some(token) => ActKind::parse(token).map(|kind| kind as i32).ok_or_else(|| {
                Failure::usage("UNKNOWN_KIND", format!("没有“{token}”这类存证"), format!("there is no kind of act `{token}`"))
            })?,
        };
        let time = |text: Option<String>| text.map_or(Ok(None), |text| moment(&text, context).map(Some));
        Ok(SearchEntriesRequest {
            kind,
            participant: self.participant,
            system: self.system,
            subject: self.subject,
            position: self.position,
            from_us: time(self.from)?.unwrap_or_default(),
            to_us: time(self.to)?.map(|last| last + 1).unwrap_or_default(),
            outcome: self.outcome,
            ..SearchEntriesRequest::default()
        })
    }
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let limit = arguments.limit;
    let mut request = arguments.request(context)?;
    let (connection, context) = connect(context)?;
    let evidence = Evidence::new(&connection);
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < limit {
        request.page_size = u32::try_from(limit - entries.len()).unwrap_or(super::PAGE).min(super::PAGE);
        let page = evidence.search(request.clone()).await?;
        for logged in &page.entries {
            let entry = read_entry(&logged.entry).map_err(|error| {
                let (index, why) = (logged.index, error.to_string());
                Failure::new(Exit::Failed, "BAD_ENTRY", format!("第 {index} 条无法读取：{why}"), format!("entry {index}: {why}"))
            })?;
            entries.push(entry);
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let more = !request.page_token.is_empty();
    context.answer(&entries, || as_text(&entries, more, &context))
}

fn as_text(entries: &[Entry], more: bool, context: &Context) -> String {
    if entries.is_empty() {
        return context.say("没有符合条件的存证", "no such entries").to_owned();
    }
    let head = [
        "#",
        context.say("时间", "time"),
        context.say("行为", "act"),
        context.say("何人", "who"),
        context.say("结果", "outcome"),
        context.say("位置", "positions"),
        context.say("事项", "subjects"),
    ];
    let rows = entries.iter().map(|entry| {
        let who =
            if entry.system.is_empty() { entry.participant.clone() } else { format!("{}/{}", entry.participant, entry.system) };
        let positions: Vec<_> =
            entry
                .positions
                .iter()
                .map(|range| {
                    if range.first == range.last { range.first.to_string() } else { format!("{}–{}", range.first, range.last) }
                })
                .collect();
        let mut subjects = entry.subjects.clone();
        subjects.extend(Some(entry.subscription.clone()).filter(|name| !name.is_empty()));
        [
            entry.index.to_string(),
            show_moment(entry.time_us),
            entry.kind.token().to_owned(),
            who,
            entry.outcome.clone(),
            positions.join(", "),
            subjects.join(", "),
        ]
    });
    let mut text = table(head, rows);
    if more {
        text.push_str(context.say("\n还有更多；请用 --limit 或缩小范围", "\nthere are more: raise --limit or narrow the search"));
    }
    text
}
