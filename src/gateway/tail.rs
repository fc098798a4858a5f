//! The tail: "committed up to n". It carries a number, not data; whoever reads takes the rows from pages.

use tokio::sync::watch;

use crate::domain::ids::Position;

/// The committed position, as it moves. Clones see the same.
#[derive(Debug, Clone)]
pub struct Tail(watch::Sender<Position>);

impl Tail {
    /// A tail that stands at `position`.
    pub fn at(position: Position) -> Self {
        Self(watch::Sender::new(position))
    }

    /// Where it stands now.
    pub fn position(&self) -> Position {
        *self.0.borrow()
    }

    /// Wakes on every move. A slow watcher sees the latest position, not each one.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// Moves it, never back.
    pub(super) fn advance(&self, position: Position) {
        self.0.send_if_modified(|stands| {
            let moves = position > *stands;
            *stands = position.max(*stands);
            moves
        });
    }
}
