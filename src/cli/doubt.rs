//! `tongbao doubt`: doubts about records, and their answers.

use clap::{Args, Subcommand};

use super::{
    Context, Failure, docket,
    reply::{Replier, record_id},
};
use crate::domain::{
    docket::Duty,
    records::{Doubt, DoubtAnswer, DoubtOutcome, Matter},
};

/// 疑义：提出、答复、查看 · Doubts about records: raise, answer, list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao doubt raise amr-330000/CC2020-7 --text \"the batch was not made by this enterprise\"
  tongbao doubt answer gacc/doubt-5c1f0d2ab7e94410 --upheld --text \"confirmed by the producer on 2020-05-18\"
  tongbao doubt list --overdue

A doubt changes no state. Its record's publisher answers within the configured number of working days, or corrects the record.")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 提出疑义 · Doubt a record that we may read.
    Raise {
        /// Its id; the revision in force is meant.
        record_id: String,
        /// What is doubted, and why.
        #[arg(long, value_name = "TEXT")]
        text: String,
        /// Purpose of the reading, where the record's feed asks for one.
        #[arg(long, value_name = "TEXT", default_value = "")]
        purpose: String,
    },
    /// 答复疑义 · Answer a doubt about a record of ours.
    Answer {
        /// Id of the doubt.
        doubt: String,
        /// The record was or will be corrected.
        #[arg(long, required_unless_present = "upheld", conflicts_with = "upheld")]
        corrected: bool,
        /// The record stands as it is.
        #[arg(long)]
        upheld: bool,
        /// In words.
        #[arg(long, value_name = "TEXT")]
        text: String,
    },
    /// 未答复的疑义 · Doubts that wait for an answer.
    List {
        /// Only those that are overdue.
        #[arg(long)]
        overdue: bool,
    },
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::Raise { record_id: about, text, purpose } => {
            let replier = Replier::open(context)?;
            let about = replier.reference(&record_id(&about)?, &purpose).await?;
            let id = replier.id("doubt", &[about.record_id.as_str(), &text])?;
            replier.publish(id, Matter::Doubt(Box::new(Doubt { about, text }))).await
        }
        What::Answer { doubt, corrected, text, .. } => {
            let replier = Replier::open(context)?;
            let doubt = record_id(&doubt)?;
            let id = replier.id("answer", &[doubt.as_str()])?;
            let outcome = if corrected { DoubtOutcome::Corrected } else { DoubtOutcome::Upheld };
            replier.publish(id, Matter::DoubtAnswer(Box::new(DoubtAnswer { doubt, outcome, text }))).await
        }
        What::List { overdue } => docket::run(docket::Arguments::of_duty(Duty::DoubtAnswer, overdue), context).await,
    }
}
