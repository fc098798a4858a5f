//! `tongbao publish`: workbooks and lists → records → the gateway.
//!
//! Nothing is sent before everything was read, and nothing is written before the gateway has said of every batch that it would
//! take it: a list of several batches is published whole or not at all, as far as two requests can promise that.

mod outcome;
mod rows;
mod withdraw;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Context, Exit, Failure,
    connect::{connect, own_system},
    door::unreadable,
    output::progress,
    token::write_new,
};
use crate::{
    client::{BatchBounds, ClientError, Connection, Profile, ProfileError, Publisher, PublisherOptions, batches},
    domain::{dates::CivilDate, ids::ParticipantId, regions::Region, violation::Lang},
    intake::{self, Mapping, Options, Reading, Shown, render_dry_run, write_report},
};
use outcome::Outcome;
use rows::Rows;
use withdraw::Missing;

const EXAMPLES: &str = "\
Examples:
  tongbao publish survey.xlsx --dry-run
      Read it here, without a gateway: how each column was understood, every row, every finding by cell.
  tongbao publish failed.xlsx --list 2020-04-national
      A list without numbers of its own: rows are named <list>/<row>.
  tongbao publish failed.xlsx --list 2020-04-national --check
      Ask the gateway what would be new, changed or the same, and publish nothing.
  tongbao publish corrected.xlsx --list 2020-04-national --withdraw-missing --check
      What of the list the corrected file no longer has, and would be withdrawn. Without --check it is, once confirmed.
  tongbao publish ours.xlsx --list 2020-06 --dry-run --save-mapping ours.toml
      Write how each column was understood, to be corrected; then: tongbao publish ours.xlsx --list 2020-06 --mapping ours.toml
  tongbao publish survey.xlsx --accept-valid --report survey-checked.xlsx
      Send the good rows; write the workbook back with a column of findings.";

/// 报送工作簿或名单 · Publish workbooks and lists.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct Arguments {
    /// Workbooks (.xlsx, .xls) or lists (.csv, UTF-8 or GB18030).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read and show only, here, without a gateway.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Ask the gateway what would be new, changed or the same, and publish nothing.
    #[arg(long)]
    check: bool,
    /// Send the good rows of files that also have bad ones.
    #[arg(long)]
    accept_valid: bool,
    /// Write the file back as a workbook with a column of findings. With one FILE only.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Name of the list: needed where its rows have no sampling or report numbers.
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Day the list was published, where the file does not say, e.g. 2020-04-30.
    #[arg(long, value_name = "DATE", value_parser = date)]
    published_on: Option<CivilDate>,
    /// Take standards that are not known.
    #[arg(long)]
    accept_unknown_standard: bool,
    /// What the headers of our own forms mean: a file that --save-mapping wrote.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// With --dry-run: write how the columns were understood to a new file, to be corrected and given to --mapping.
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    save_mapping: Option<PathBuf>,
    /// Publisher of the records; by default the participant of our certificate.
    #[arg(long, value_name = "PARTICIPANT")]
    publisher: Option<String>,
    /// Region of the publisher, GB/T 2260: rows outside of it are warned about. By default the number in its name.
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Withdraw the records of the list that the files no longer have. All of the list's files are to be named. Records with numbers
    /// of their own are never withdrawn. Asks first; more than half of the list needs --yes.
    #[arg(long, requires = "list", conflicts_with_all = ["dry_run", "accept_valid"])]
    withdraw_missing: bool,
    /// Publish a row although the record of the same list and row names another producer; withdraw what is missing unasked.
    #[arg(long)]
    yes: bool,
}

fn date(text: &str) -> Result<CivilDate, String> {
    CivilDate::parse(text).ok_or_else(|| "write 2020-04-30 (写作 2020-04-30)".to_owned())
}

/// A file that was read.
struct File {
    bytes: Vec<u8>,
    reading: Reading,
}

/// Runs it.
///
/// # Errors
/// When a file cannot be read or has errors, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    if arguments.report.is_some() && arguments.files.len() > 1 {
        return Err(Failure::usage("REPORT_OF_ONE", "--report 只能用于单个文件", "--report goes with one FILE only"));
    }
    let options = options(&arguments, context)?;
    let files = arguments.files.iter().map(|path| read(path, &options)).collect::<Result<Vec<_>, _>>()?;
    if let (Some(path), [file]) = (&arguments.report, files.as_slice()) {
        let workbook = write_report(&file.bytes, &file.reading, context.lang)
            .map_err(|error| Failure::new(Exit::Failed, "REPORT", error.to_string(), error.to_string()))?;
        std::fs::write(path, workbook)?;
        context.note(&format!("{} {}", context.say("校验结果已写入", "findings written to"), path.display()));
    }
    if let Some(path) = &arguments.save_mapping {
        write_new(path, &Mapping::to_text(files.iter().map(|file| &file.reading)), 0o644)?;
        context.note(&format!("{} {}", context.say("列名对照已写入", "mapping written to"), path.display()));
    }
    if arguments.dry_run {
        return show(&files, context);
    }
    refuse_errors(&files, arguments.accept_valid, context)?;
    if files.iter().all(|file| file.reading.valid().next().is_none()) {
        return Err(Failure::usage("NOTHING_TO_PUBLISH", "文件中没有可报送的行", "the files hold no row that can be published"));
    }
    let (connection, context) = connect(context)?;
    let missing = match &arguments.list {
        Some(list) if arguments.withdraw_missing => {
            let readings = files.iter().map(|file| &file.reading);
            Some(Missing::of(&connection, &options.publisher, list, readings).await?)
        }
        _ => None,
    };
    let mut rows = Rows::of(files.into_iter().map(|file| file.reading));
    rows.extend(missing.iter().flat_map(|missing| &missing.rows));
    let outcome = checked(&connection, &rows, &context).await?;
    outcome.refuse_other_producers(&connection, &rows, arguments.yes, &context).await?;
    if arguments.check {
        return outcome.tell(&rows, true, &context);
    }
    if let Some(missing) = &missing {
        missing.agreed(arguments.yes, &context)?;
        say_requests(&rows, &context);
    }
    drop(outcome);
    published(&connection, &rows, &context).await?.tell(&rows, false, &context)
}

fn options(arguments: &Arguments, context: &Context) -> Result<Options, Failure> {
    let publisher = match &arguments.publisher {
        Some(name) => {
            ParticipantId::parse(name).map_err(|error| Failure::usage("MALFORMED_NAME", error.to_string(), error.to_string()))?
        }
        None => publisher(arguments.dry_run, context)?,
    };
    let region = match &arguments.region {
        Some(code) => Some(Region::parse(code).ok_or_else(|| {
            Failure::usage("UNKNOWN_REGION", format!("“{code}”不是区划代码"), format!("`{code}` is no region code"))
        })?),
        // Provincial regulators are named by their region, e.g. `amr-330000`.
        None => publisher.as_str().rsplit('-').next().and_then(Region::parse),
    };
    Ok(Options {
        publisher,
        publisher_region: region,
        list_name: arguments.list.clone(),
        today: CivilDate::of_instant(context.world.clock.now()),
        published_on: arguments.published_on,
        // Whether invented codes are admitted is the gateway's to say.
        allow_synthetic: true,
        accept_unknown_standard: arguments.accept_unknown_standard,
        mapping: arguments.mapping.as_deref().map(mapping).transpose()?.unwrap_or_default(),
    })
}

fn mapping(path: &Path) -> Result<Mapping, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Mapping::parse(&text).map_err(|error| {
        let shown = match error.line {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        };
        Failure::usage("MAPPING", format!("{shown}：{}", error.text.zh), format!("{shown}: {}", error.text.en))
    })
}

/// Who we are by the profile. A dry run needs none: it shows the ids under a name that stands in for ours.
fn publisher(dry_run: bool, context: &Context) -> Result<ParticipantId, Failure> {
    let named = context.global.profile.is_some();
    match Profile::load(context.global.profile.as_deref()) {
        Ok(profile) => Ok(own_system(&profile)?.participant),
        Err(ProfileError::NotFound { .. }) if dry_run && !named => {
            context.note(context.say(
                "没有配置档：记录编号以 publisher/ 开头代替本单位；可用 --publisher 指明",
                "no profile: publisher/ stands for our own name in record ids; --publisher names it",
            ));
            ParticipantId::parse("publisher")
                .map_err(|error| Failure::usage("MALFORMED_NAME", error.to_string(), error.to_string()))
        }
        Err(error) => Err(ClientError::from(error).into()),
    }
}

fn read(path: &std::path::Path, options: &Options) -> Result<File, Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage("UNREADABLE", format!("无法读取 {shown}：{error}"), format!("{shown} cannot be read: {error}"))
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let reading = intake::read(&name, &bytes, options).map_err(|error| {
        let text = error.text();
        Failure::usage(error.reason(), format!("{shown}：{}", text.zh), format!("{shown}: {}", text.en))
    })?;
    Ok(File { bytes, reading })
}

fn show(files: &[File], context: &Context) -> Result<(), Failure> {
    let files_shown = files.iter().map(|file| Shown(&file.reading)).collect::<Vec<_>>();
    context.answer(&BTreeMap::from([("files", files_shown)]), || {
        files.iter().map(|file| render_dry_run(&file.reading, context.lang)).collect::<Vec<_>>().join("\n")
    })?;
    let errors: usize = files.iter().map(|file| file.reading.counts().errors).sum();
    if errors == 0 {
        return Ok(());
    }
    let failure = has_errors(errors);
    // The findings are shown above; the exit code says that they are there.
    Err(if context.json() { failure.told() } else { failure })
}

fn has_errors(errors: usize) -> Failure {
    Failure::usage(
        "FILE_HAS_ERRORS",
        format!("文件有 {errors} 处错误，未报送任何一行；请改正，或用 --accept-valid 只报送正确的行，--report 导出标注"),
        format!(
            "{errors} errors, so nothing was published; correct them, or send the good rows with --accept-valid; --report marks them"
        ),
    )
}

/// All or nothing, unless the good rows are to be sent.
fn refuse_errors(files: &[File], accept_valid: bool, context: &Context) -> Result<(), Failure> {
    let findings: Vec<_> = files.iter().flat_map(|file| rows::errors(&file.reading)).collect();
    if findings.is_empty() {
        return Ok(());
    }
    if accept_valid {
        context.note(&match context.lang {
            Lang::Zh => format!("有 {} 处错误，相关各行不报送", findings.len()),
            Lang::En => format!("{} errors; their rows are left out", findings.len()),
        });
        return Ok(());
    }
    Err(has_errors(findings.len()).with(findings))
}

/// What the gateway would do with every row; it writes nothing.
async fn checked(connection: &Connection, rows: &Rows, context: &Context) -> Result<Outcome, Failure> {
    let options = PublisherOptions { validate_only: true, in_flight: 4, ..PublisherOptions::default() };
    send(connection, options, rows, context.say("核对", "checking"), context).await
}

async fn published(connection: &Connection, rows: &Rows, context: &Context) -> Result<Outcome, Failure> {
    // Kept in the evidence, so that the batches of one run can be found together.
    let request_id = format!("{:032x}", context.world.random_u128());
    let options = PublisherOptions { request_id, ..PublisherOptions::default() };
    send(connection, options, rows, context.say("报送", "publishing"), context).await
}

/// A batch is all or nothing, a list of several is not: who withdraws is told.
fn say_requests(rows: &Rows, context: &Context) {
    let requests = batches(rows.records(), BatchBounds::GATEWAY).len();
    if requests > 1 {
        context.note(&match context.lang {
            Lang::Zh => format!("分 {requests} 个批次报送，每批要么全部写入要么全不写入；如中途停止，重新执行即可，不会重复"),
            Lang::En => format!(
                "published in {requests} batches, each all or nothing; if it stops between them run it again: nothing is doubled"
            ),
        });
    }
}

async fn send(
    connection: &Connection,
    options: PublisherOptions,
    rows: &Rows,
    what: &str,
    context: &Context,
) -> Result<Outcome, Failure> {
    let bar = progress(context, rows.len() as u64, what);
    let published =
        Publisher::new(connection, options).publish(rows.records(), |answer| bar.inc(answer.records.len() as u64)).await;
    bar.finish_and_clear();
    published.map(Outcome::of).map_err(|stopped| {
        let total = stopped.published.records.len();
        let mut failure = rows.place(Failure::from(stopped.error));
        if total > 0 {
            let _ = write!(failure.text.zh, "（此前 {total} 条已报送成功，重新报送不会重复）");
            let _ = write!(failure.text.en, " ({total} records before it stand; publishing again doubles nothing)");
        }
        failure
    })
}
