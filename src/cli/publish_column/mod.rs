//! `tongbao publish-column`: the public column of a bureau's web site, from the published results of the failed-products feed.
//!
//! Reads on from where it stood, folds what it reads, and replaces only the files that changed, each at once. The place is kept last:
//! after a crash the next run makes the same files again. What is kept between runs stands outside the folder that is served.

mod pages;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Context, Exit, Failure,
    connect::connect,
    output::spinner,
    replace::{put, replace_file, sync, unwritable},
};
use crate::{
    client::{Passage, Reader, RetryPolicy},
    domain::{
        cursor::Cursor as Place,
        feeds::Feed,
        public_column::{Column, month},
    },
    proto::{Cursor, Filter, ReadPage, ReadRequest, read_request::From},
    wire,
};
use pages::Shown;

/// Results of an overview and of a feed.
const NEWEST: usize = 100;

const EXAMPLES: &str = "\
Examples:
  tongbao publish-column --out /srv/www/column --base-url https://amr.example.cn/column/
  tongbao publish-column --out ./column --all

DIR/index.html, DIR/<province>/index.html, a page a month, a page a result (r/….html, an address that stays), each with its JSON, and
feed.atom. Only published results that stand are shown: no detection, nothing restricted, no case. What was withdrawn, overturned or
disowned disappears, and its page states the correction. Run it as often as you like: it reads on from where it stood.";

/// 生成不合格产品公示栏（静态网页） · Write the public column as static pages.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Folder to write to; the web server serves it.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Address that the folder is served under, with its last slash: absolute links in Atom.
    #[arg(long, value_name = "URL", default_value = "")]
    base_url: String,
    /// Where to keep what was read; by default DIR.state.json beside the folder. Never inside it.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write every page anew, not only those that changed.
    #[arg(long)]
    all: bool,
    /// Purpose of the reading, where the feed asks for one.
    #[arg(long, default_value = "")]
    purpose: String,
}

/// What is kept between runs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Place in the ledger that everything up to was taken in.
    cursor: String,
    position: u64,
    column: Column,
}

/// What a run changed in the column.
#[derive(Debug, Default)]
struct Touched {
    results: BTreeSet<String>,
    places: BTreeSet<(String, String)>,
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached, or files cannot be read or written.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let state_path = state_path(&arguments)?;
    let known = load(&state_path)?;
    let is_first = known.is_none();
    let mut state = known.unwrap_or_default();
    let (connection, context) = connect(context)?;
    let request = request(&state, arguments.purpose.clone())?;
    let mut reader = Reader::new(&connection, request, &RetryPolicy::CALL);
    let bar = spinner(&context, context.say("读取", "reading"));
    let mut touched = Touched::default();
    loop {
        match reader.next().await? {
            Some(Passage::Page(page)) => {
                take(&page, &mut state.column, &mut touched)?;
                bar.inc(page.records.len() as u64);
            }
            Some(Passage::Heartbeat(_)) => {}
            None => break,
        }
    }
    bar.finish_and_clear();
    if let Some(place) = reader.cursor() {
        state.position = place.position;
        let (ledger_id, generation, position) = (place.ledger_id.clone(), place.generation, place.position);
        state.cursor = Place { ledger_id, generation, position }.to_string();
    }
    let files = files(&state, (!arguments.all && !is_first).then_some(&touched), &arguments.base_url);
    let written = write(&arguments.out, &files)?;
    let kept = serde_json::to_vec(&state).map_err(|error| Failure::from(io::Error::other(error)))?;
    replace_file(&state_path, &kept)?;
    let shown = state.column.cases().filter(|(_, case)| case.shown().is_some()).count();
    let corrected = state.column.cases().filter(|(_, case)| case.corrected().is_some()).count();
    let value = json!({
        "out": arguments.out,
        "position": state.position,
        "results": shown,
        "corrections": corrected,
        "changed": touched.results.len(),
        "files_written": written,
    });
    context.answer(&value, || {
        let (results, corrections) = (context.say("条结果", "results"), context.say("条更正", "corrections"));
        let (files, position) = (context.say("个文件已更新", "files written"), context.say("截至位置", "as of position"));
        format!(
            "{}: {shown} {results}, {corrected} {corrections}, {written} {files}, {position} {}",
            arguments.out.display(),
            state.position
        )
    })
}

/// Beside the folder, never in it: it knows what is not published yet.
fn state_path(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let path = arguments.state.clone().unwrap_or_else(|| {
        let mut beside = arguments.out.components().as_path().as_os_str().to_owned();
        beside.push(".state.json");
        beside.into()
    });
    let inside = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        parent.canonicalize().ok().zip(arguments.out.canonicalize().ok()).is_some_and(|(parent, out)| parent.starts_with(out))
    };
    if path.starts_with(&arguments.out) || inside(&path) {
        return Err(Failure::usage(
            "STATE_IS_SERVED",
            "状态文件不得放在对外发布的目录内；请用 --state 指定别处",
            "the state file must not lie in the folder that is served: name another place with --state",
        ));
    }
    Ok(path)
}

fn load(path: &Path) -> Result<Option<State>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unwritable(path, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let shown = path.display();
        Failure::usage(
            "NOT_A_STATE",
            format!("{shown} 不是本命令的状态文件：{error}；删除后将从头生成"),
            format!("{shown} is no state of this command: {error}; without it everything is made anew"),
        )
    })
}

fn request(state: &State, purpose: String) -> Result<ReadRequest, Failure> {
    let from = if state.cursor.is_empty() {
        From::Earliest(true)
    } else {
        let place: Place = state
            .cursor
            .parse()
            .map_err(|_| Failure::usage("NOT_A_STATE", "状态文件中的位置无效", "the place in the state file is none"))?;
        From::Cursor(Cursor { ledger_id: place.ledger_id, generation: place.generation, position: place.position })
    };
    let filter = Filter { feeds: vec![Feed::FailedProducts.name().to_owned()], ..Filter::default() };
    Ok(ReadRequest { filter: Some(filter), from: Some(from), purpose, ..ReadRequest::default() })
}

/// Takes in a page. Restricted sections are not even looked at afterwards: the column knows no place for them.
fn take(page: &ReadPage, column: &mut Column, touched: &mut Touched) -> Result<(), Failure> {
    for record in page.records.iter().filter_map(|read| read.record.as_ref()) {
        let received = wire::received(record).map_err(|unreadable| {
            Failure::new(Exit::Failed, "RECORD_UNREADABLE", format!("记录无法解读：{unreadable}"), unreadable.to_string())
        })?;
        let changed = column.take(&received.record_id, received.position, received.committed_at, &received.content);
        if let Some((result, places)) = changed {
            touched.results.insert(result);
            touched.places.extend(places);
        }
    }
    Ok(())
}

/// Results by province (empty = all) and month, newest first.
type Months<'a> = BTreeMap<(String, String), Vec<Shown<'a>>>;

/// The files to write: all of them, or those that a change touches.
fn files(state: &State, touched: Option<&Touched>, base: &str) -> Vec<(String, Vec<u8>)> {
    let mut months: Months<'_> = BTreeMap::new();
    let mut files = Vec::new();
    for (id, case) in state.column.cases() {
        let (result, correction) = match (case.shown(), case.corrected()) {
            (Some(result), _) => (result, None),
            (None, Some((result, correction))) => (result, Some(correction)),
            (None, None) => continue,
        };
        let shown = Shown { result, correction, changed_at: case.changed_at() };
        for province in BTreeSet::from(["", result.province.as_str()]) {
            months.entry((province.to_owned(), month(&result.published_on))).or_default().push(shown);
        }
        if touched.is_none_or(|touched| touched.results.contains(id)) {
            files.push((pages::page_of(id), pages::result_page(&shown).into_bytes()));
        }
    }
    for all in months.values_mut() {
        all.sort_by(|one, other| {
            (&other.result.published_on, &other.result.record_id).cmp(&(&one.result.published_on, &one.result.record_id))
        });
    }
    let is_touched = |province: &str, month: Option<&str>| {
        touched.is_none_or(|touched| {
            touched.places.iter().any(|(of, at)| (province.is_empty() || province == of) && month.is_none_or(|month| month == at))
        })
    };
    add_months(&months, &is_touched, &mut files, touched);
    add_overviews(state, &months, &is_touched, base, &mut files);
    files
}

fn parted<'a>(all: &[Shown<'a>]) -> (Vec<Shown<'a>>, Vec<Shown<'a>>) {
    all.iter().copied().partition(|one| one.correction.is_none())
}

fn add_months(
    months: &Months<'_>,
    is_touched: &dyn Fn(&str, Option<&str>) -> bool,
    files: &mut Vec<(String, Vec<u8>)>,
    touched: Option<&Touched>,
) {
    let mut add = |province: &str, month: &str, all: &[Shown<'_>]| {
        let place = pages::Place { province: province.to_owned() };
        let (shown, corrected) = parted(all);
        let page = pages::month_page(&place, month, &shown, &corrected);
        files.push((place.file(&format!("{month}.html")), page.into_bytes()));
        let data = pages::month_json(&place, month, &shown, &corrected);
        files.push((place.file(&format!("{month}.json")), format!("{data:#}\n").into_bytes()));
    };
    for ((province, month), all) in months.iter().filter(|((province, month), _)| is_touched(province, Some(month))) {
        add(province, month, all);
    }
    // A result that moved to another month or province may have left one empty behind.
    for (province, month) in touched.iter().flat_map(|touched| &touched.places) {
        for province in BTreeSet::from(["", province.as_str()]) {
            if !months.contains_key(&(province.to_owned(), month.clone())) {
                add(province, month, &[]);
            }
        }
    }
}

fn add_overviews(
    state: &State,
    months: &Months<'_>,
    is_touched: &dyn Fn(&str, Option<&str>) -> bool,
    base: &str,
    files: &mut Vec<(String, Vec<u8>)>,
) {
    let known: BTreeSet<&str> = months.keys().map(|(province, _)| province.as_str()).chain([""]).collect();
    let count = |all: &[Shown<'_>]| all.iter().filter(|one| one.correction.is_none()).count();
    let total = |province: &str| months.iter().filter(|((of, _), _)| of == province).map(|(_, all)| count(all)).sum();
    let provinces: Vec<(String, usize)> =
        known.iter().filter(|province| !province.is_empty()).map(|province| ((*province).to_owned(), total(province))).collect();
    for province in known.iter().filter(|province| is_touched(province, None)) {
        let place = pages::Place { province: (*province).to_owned() };
        let of_place = || months.iter().filter(|((of, _), _)| of == province);
        let counts: Vec<(String, usize)> = of_place().rev().map(|((_, month), all)| (month.clone(), count(all))).collect();
        let (mut shown, mut corrected) = parted(&of_place().rev().flat_map(|(_, all)| all).copied().collect::<Vec<_>>());
        shown.truncate(NEWEST);
        corrected.sort_by_key(|one| std::cmp::Reverse(one.changed_at));
        corrected.truncate(NEWEST);
        let mut latest: Vec<Shown<'_>> = shown.iter().chain(&corrected).copied().collect();
        latest.sort_by_key(|one| std::cmp::Reverse(one.changed_at));
        latest.truncate(NEWEST);
        let overview = pages::Overview {
            place: &place,
            newest: &shown,
            corrected: &corrected,
            months: &counts,
            provinces: if province.is_empty() { &provinces } else { &[] },
            position: state.position,
        };
        files.push((place.file("index.html"), pages::overview_page(&overview).into_bytes()));
        files.push((place.file("index.json"), format!("{:#}\n", pages::overview_json(&overview)).into_bytes()));
        files.push((place.file("feed.atom"), pages::atom(&place, base, &latest).into_bytes()));
    }
}

/// Replaces the files that are not so already; returns how many.
fn write(out: &Path, files: &[(String, Vec<u8>)]) -> Result<usize, Failure> {
    let mut folders = BTreeSet::new();
    let mut written = 0;
    for (path, content) in files {
        let path = out.join(path);
        if fs::read(&path).is_ok_and(|stands| stands == *content) {
            continue;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { continue };
        if folders.insert(folder.to_owned()) {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }
        put(folder, name, content).map_err(|error| unwritable(&path, &error))?;
        written += 1;
    }
    for folder in &folders {
        sync(folder).map_err(|error| unwritable(folder, &error))?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::RecordId,
        life_cycle::State as LifeState,
        records::{Content, Matter, examples},
    };

    const DAY: i64 = 1_590_000_000_000_000;

    fn id(text: &str) -> RecordId {
        RecordId::parse(text).expect("an id")
    }

    fn publish(state: &mut State, touched: &mut Touched, record: &str, position: u64, matter: Matter) {
        let content = Content { matter, withdrawal: None };
        if let Some((result, places)) = state.column.take(&id(record), position, DAY, &content) {
            touched.results.insert(result);
            touched.places.extend(places);
        }
        state.position = position;
    }

    fn of(n: u64) -> Matter {
        Matter::Nonconformity(Box::new(examples::nonconformity(n)))
    }

    fn names(files: &[(String, Vec<u8>)]) -> BTreeSet<&str> {
        files.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_change_touches_its_own_pages_alone_and_the_whole_comes_to_the_same() {
        let (mut state, mut touched) = (State::default(), Touched::default());
        publish(&mut state, &mut touched, "amr-330000/a", 1, of(5));
        publish(&mut state, &mut touched, "amr-440000/b", 2, of(6));
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("column");
        let all = files(&state, None, "");
        assert_eq!(write(&out, &all).expect("written"), all.len());
        assert_eq!(write(&out, &all).expect("written"), 0, "nothing is written twice");

        let mut touched = Touched::default();
        let step = examples::disposition(id("amr-330000/a"), LifeState::Confirmed, LifeState::Overturned);
        publish(&mut state, &mut touched, "amr-330000/d", 3, Matter::Disposition(Box::new(step)));
        let changed = files(&state, Some(&touched), "");
        assert!(names(&changed).contains(pages::page_of("amr-330000/a").as_str()));
        assert!(!names(&changed).contains(pages::page_of("amr-440000/b").as_str()));
        write(&out, &changed).expect("written");
        for (name, content) in files(&state, None, "") {
            let stands = fs::read(out.join(&name)).expect("it stands");
            let same = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\"position\": 2", "\"position\": 3");
            assert_eq!(same(&stands), same(&content), "{name}");
        }
        let index = fs::read_to_string(out.join("index.html")).expect("an index");
        assert!(index.contains("更正") && index.contains("该结果已撤销"), "{index}");
    }

    #[test]
    fn the_state_never_lies_in_the_folder_that_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("column");
        fs::create_dir(&out).expect("made");
        let asked = |state: Option<PathBuf>| Arguments {
            out: out.clone(),
            base_url: String::new(),
            state,
            all: false,
            purpose: String::new(),
        };
        assert!(state_path(&asked(Some(out.join("state.json")))).is_err());
        assert!(state_path(&asked(Some(folder.path().join("column/../column/s.json")))).is_err());
        let beside = state_path(&asked(None)).expect("beside");
        assert_eq!(beside, folder.path().join("column.state.json"));
        assert!(load(&beside).expect("none yet").is_none());
        fs::write(&beside, "{").expect("written");
        assert!(load(&beside).is_err());
    }
}
