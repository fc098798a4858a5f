//! `tongbao subscriptions seek`: where to, in words that people have at hand.

use clap::Args;

use crate::{
    cli::{Context, Failure, attest::first_moment},
    domain::cursor,
    proto::{Cursor, Subscription, seek_to::To},
};

/// Exactly one place.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// The first position: everything is sent again.
    #[arg(long)]
    earliest: bool,
    /// After the head as it is now: what is left is passed over.
    #[arg(long)]
    latest: bool,
    /// The current revision of every record, then all that follows.
    #[arg(long)]
    snapshot: bool,
    /// A cursor as `show` prints it, `<ledger>/<generation>/<position>`: what comes after it.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<cursor::Cursor>,
    /// A position of the ledger as it stands now, and later ones.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    position: Option<u64>,
    /// What was committed at or after this time, e.g. 2020-05-15 or 2020-05-15T08:00:00+08:00.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
}

impl Place {
    /// The place as the gateway is asked for it; `standing` names the ledger that a bare position is of.
    pub(super) fn target(&self, standing: &Subscription, context: &Context) -> Result<To, Failure> {
        Ok(match self {
            Self { earliest: true, .. } => To::Earliest(true),
            Self { latest: true, .. } => To::Latest(true),
            Self { snapshot: true, .. } => To::Snapshot(true),
            Self { cursor: Some(place), .. } => {
                To::Cursor(Cursor { ledger_id: place.ledger_id.clone(), generation: place.generation, position: place.position })
            }
            Self { position: Some(position), .. } => {
                To::Cursor(Cursor { position: position.saturating_sub(1), ..standing.place.clone().unwrap_or_default() })
            }
            Self { time, .. } => To::TimeUs(first_moment(time.as_deref().unwrap_or_default(), context)?),
        })
    }
}

/// A cursor as `seek --cursor` takes it.
pub(super) fn show_cursor(place: &Cursor) -> String {
    cursor::Cursor { ledger_id: place.ledger_id.clone(), generation: place.generation, position: place.position }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    #[test]
    fn a_bare_position_is_of_the_ledger_as_it_stands() {
        let context = Context::new(Global::default());
        let place = Some(Cursor { ledger_id: "0a".into(), generation: 2, position: 43 });
        let standing = Subscription { place, ..Subscription::default() };
        let from = Place { position: Some(7), ..Place::default() };
        let expected = To::Cursor(Cursor { ledger_id: "0a".into(), generation: 2, position: 6 });
        assert_eq!(from.target(&standing, &context).expect("a place"), expected, "what comes after 6");
        let time = Place { time: Some("2020-05-15".into()), ..Place::default() };
        // A day begins at midnight in Beijing.
        assert_eq!(time.target(&standing, &context).expect("a place"), To::TimeUs(1_589_472_000_000_000));
    }
}
