//! `tongbao notice`: urgent notices, and who has taken note of them.

use clap::{Args, Subcommand};

use super::{
    Context, Failure, docket,
    reply::{Replier, record_id},
};
use crate::domain::{
    docket::Duty,
    records::{Matter, NoticeAcknowledgement, Severity, Token as _, UrgentNotice},
};

/// 紧急通报：发出、签收、查看 · Urgent notices: issue, acknowledge, list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao notice issue --title \"批次召回\" --text \"…\" --severity emergency
  tongbao subscribe urgent-notices
      Every participant has this subscription: notices come at once, whatever else waits.
  tongbao notice acknowledge samr/notice-5c1f0d2ab7e94410
  tongbao notice list --overdue
      Who has not acknowledged which notice.")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 发出紧急通报 · Issue a notice to all.
    Issue {
        /// Title.
        #[arg(long, value_name = "TEXT")]
        title: String,
        /// Text, at most 10,000 characters.
        #[arg(long, value_name = "TEXT")]
        text: String,
        /// major_problem or emergency.
        #[arg(long, value_name = "SEVERITY", default_value = "major_problem", value_parser = severity)]
        severity: Severity,
    },
    /// 签收 · Acknowledge a notice.
    Acknowledge {
        /// Id of the notice.
        notice: String,
        /// What we will do about it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        remark: String,
    },
    /// 未签收的通报 · Notices and who has not acknowledged them.
    List {
        /// Only what is overdue.
        #[arg(long)]
        overdue: bool,
    },
}

fn severity(token: &str) -> Result<Severity, String> {
    Severity::parse(token).ok_or_else(|| "there are major_problem and emergency".to_owned())
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::Issue { title, text, severity } => {
            let replier = Replier::open(context)?;
            let id = replier.id("notice", &[&title, &text])?;
            let matter = UrgentNotice {
                title,
                text,
                severity,
                regions: Vec::new(),
                product_kinds: Vec::new(),
                records: Vec::new(),
                issued_at: replier.context.world.clock.now(),
                enterprise: None,
            };
            replier.publish(id, Matter::UrgentNotice(Box::new(matter))).await
        }
        What::Acknowledge { notice, remark } => {
            let replier = Replier::open(context)?;
            let notice = record_id(&notice)?;
            let id = replier.id("acknowledgement", &[notice.as_str()])?;
            replier.publish(id, Matter::NoticeAcknowledgement(Box::new(NoticeAcknowledgement { notice, remark }))).await
        }
        What::List { overdue } => docket::run(docket::Arguments::of_duty(Duty::NoticeAcknowledgement, overdue), context).await,
    }
}
