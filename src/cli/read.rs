//! `tongbao read`: the ledger by position, with a place that the reader holds itself.

use clap::Args;
use serde_json::json;

use super::{
    Context, Failure,
    attest::{feed_named, first_moment},
    connect::connect,
    output::{json_of, record_line},
    signals::Signals,
};
use crate::{
    client::{Passage, Reader, RetryPolicy},
    domain::{credit_code::CreditCode, cursor, records::Kind, violation::Lang},
    proto::{Cursor, Filter, ReadPage, ReadRecord, ReadRequest, read_request::From},
};

const EXAMPLES: &str = "\
Examples:
  tongbao read --feed failed-products
      All revisions of a feed from the first, one line each; at the end the place that was reached.
  tongbao read --cursor 4f0c…/1/1200 --json
      What came after a place, as JSON lines; the last line holds the new place.
  tongbao read --from latest --follow
      What comes from now on, until Ctrl-C.

Nothing is acknowledged and the gateway keeps nothing of the reading: who needs retries and dead letters subscribes.";

/// 按位置读取台账 · Read the ledger by position.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where to begin: earliest, latest, a position, or a time.
    #[arg(long, value_name = "WHERE", default_value = "earliest", conflicts_with = "cursor")]
    from: String,
    /// Go on after a place that an earlier reading printed: <ledger id>/<generation>/<position>.
    #[arg(long, value_name = "TEXT")]
    cursor: Option<cursor::Cursor>,
    /// Last position to read; by default the head, or no end with --follow.
    #[arg(long, value_name = "POSITION")]
    upto: Option<u64>,
    /// Go on at the head as it moves.
    #[arg(long)]
    follow: bool,
    /// Only this feed; may be repeated.
    #[arg(long = "feed", value_name = "FEED")]
    feeds: Vec<String>,
    /// Only this kind of record, e.g. nonconformity; may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<i32>,
    /// Only regions whose code begins so, e.g. 33; may be repeated.
    #[arg(long = "region", value_name = "PREFIX")]
    regions: Vec<String>,
    /// Only this enterprise; may be repeated.
    #[arg(long = "code", value_name = "CREDIT_CODE", value_parser = code)]
    codes: Vec<String>,
    /// Purpose of the reading, where a feed asks for one.
    #[arg(long, value_name = "TEXT", default_value = "")]
    purpose: String,
}

fn kind(token: &str) -> Result<i32, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.token() == token);
    found.map(|kind| i32::from(kind.number())).ok_or_else(|| format!("there are {}", Kind::ALL.map(Kind::token).join(", ")))
}

fn code(text: &str) -> Result<String, String> {
    CreditCode::parse(text).map(|code| code.as_str().to_owned()).map_err(|error| error.text().en)
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, standard output cannot be written, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let request = request(arguments, context)?;
    let (connection, context) = connect(context)?;
    let mut reader = Reader::new(&connection, request, &RetryPolicy::CALL);
    let mut signals = Signals::listen()?;
    let mut place = None;
    loop {
        let passage = tokio::select! {
            passage = reader.next() => passage,
            () = signals.next() => break,
        };
        match passage {
            Ok(Some(Passage::Page(page))) => {
                context.write(&lines(&page, &context))?;
                place = page.cursor;
            }
            Ok(Some(Passage::Heartbeat(heartbeat))) => place = heartbeat.cursor,
            Ok(None) => {
                place = reader.cursor().cloned();
                break;
            }
            Err(error) => {
                // What was read stands: the place to go on from is worth as much as the error.
                tell(place.as_ref(), reader.head(), &context)?;
                return Err(error.into());
            }
        }
    }
    tell(place.as_ref(), reader.head(), &context)
}

fn request(arguments: Arguments, context: &Context) -> Result<ReadRequest, Failure> {
    for feed in &arguments.feeds {
        feed_named(feed)?;
    }
    let from = match (arguments.cursor, arguments.from.as_str(), arguments.from.parse()) {
        (Some(place), ..) => {
            From::Cursor(Cursor { ledger_id: place.ledger_id, generation: place.generation, position: place.position })
        }
        (None, "earliest", _) => From::Earliest(true),
        (None, "latest", _) => From::Latest(true),
        (None, _, Ok(position)) => From::Position(position),
        (None, text, Err(_)) => From::TimeUs(first_moment(text, context)?),
    };
    Ok(ReadRequest {
        filter: Some(Filter {
            feeds: arguments.feeds,
            kinds: arguments.kinds,
            region_prefixes: arguments.regions,
            credit_codes: arguments.codes,
            ..Filter::default()
        }),
        from: Some(from),
        upto: arguments.upto.unwrap_or_default(),
        follow: arguments.follow,
        page_size: 0,
        purpose: arguments.purpose,
    })
}

fn lines(page: &ReadPage, context: &Context) -> String {
    let mut text = String::new();
    for read in &page.records {
        text.push_str(&if context.json() { json_of("ReadRecord", read).to_string() } else { line(read, context.lang) });
        text.push('\n');
    }
    text
}

fn line(read: &ReadRecord, lang: Lang) -> String {
    let Some(record) = &read.record else { return String::new() };
    let marks = [(read.recall, "【撤回】", "RECALL "), (read.left_filter, "【不再符合条件】", "LEFT FILTER ")];
    record_line(record, &marks, lang)
}

/// The place that was reached: the last JSON line, or words beside the answer.
fn tell(place: Option<&Cursor>, head: u64, context: &Context) -> Result<(), Failure> {
    let Some(place) = place else { return Ok(()) };
    let text =
        cursor::Cursor { ledger_id: place.ledger_id.clone(), generation: place.generation, position: place.position }.to_string();
    if context.json() {
        return context.write(&format!("{}\n", json!({ "cursor": text, "position": place.position, "head": head })));
    }
    context.note(&match context.lang {
        Lang::Zh => format!("已读至 {}，台账末位 {head}；下次从此继续：--cursor {text}", place.position),
        Lang::En => format!("read up to {}, the ledger ends at {head}; to go on from here: --cursor {text}", place.position),
    });
    Ok(())
}
