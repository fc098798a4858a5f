//! What was sent and not answered, in order. Pure.

use std::collections::VecDeque;

/// Requests in the order they are sent and answered, numbered from 1.
pub(super) struct Unanswered<T> {
    waiting: VecDeque<T>,
    /// Number of the first that waits.
    first: u64,
    /// How many of those that wait were sent on the stream that is open.
    sent: usize,
}

impl<T> Default for Unanswered<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), first: 1, sent: 0 }
    }
}

impl<T> Unanswered<T> {
    pub(super) fn push(&mut self, request: T) {
        self.waiting.push_back(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// The next to send, which then counts as sent.
    pub(super) fn next_unsent(&mut self) -> Option<(u64, &T)> {
        let request = self.waiting.get(self.sent)?;
        let number = self.first + self.sent as u64;
        self.sent += 1;
        Some((number, request))
    }

    /// The request of that number, if it is the one to be answered next.
    pub(super) fn answered(&mut self, number: u64) -> Option<T> {
        if number != self.first || self.sent == 0 {
            return None;
        }
        self.first += 1;
        self.sent -= 1;
        self.waiting.pop_front()
    }

    /// On a new stream everything is to be sent again; says how many were sent before.
    pub(super) fn begin_again(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// All that wait, given up.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.sent = 0;
        self.waiting.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_next_in_turn_is_answered_and_only_when_it_was_sent() {
        let mut unanswered = Unanswered::default();
        unanswered.push("a");
        unanswered.push("b");
        assert_eq!(unanswered.answered(1), None);
        assert_eq!(unanswered.next_unsent(), Some((1, &"a")));
        assert_eq!(unanswered.answered(2), None);
        assert_eq!(unanswered.answered(1), Some("a"));
        assert_eq!(unanswered.answered(1), None);
    }

    proptest! {
        /// Whatever breaks when: everything is sent in order until it is answered, and answered once, in order.
        #[test]
        fn nothing_is_lost_doubled_or_out_of_order(steps in proptest::collection::vec(0..4_u8, 0..200)) {
            let mut unanswered = Unanswered::default();
            let (mut pushed, mut answered) = (0_u64, 0_u64);
            let mut on_stream = VecDeque::new();
            for step in steps {
                match step {
                    0 => {
                        pushed += 1;
                        unanswered.push(pushed);
                    }
                    1 => on_stream.extend(unanswered.next_unsent().map(|(number, request)| {
                        assert_eq!(number, *request);
                        number
                    })),
                    2 => if let Some(number) = on_stream.pop_front() {
                        answered += 1;
                        prop_assert_eq!(number, answered);
                        prop_assert_eq!(unanswered.answered(number), Some(answered));
                    },
                    _ => {
                        prop_assert_eq!(unanswered.begin_again(), on_stream.len());
                        on_stream.clear();
                    }
                }
                prop_assert_eq!(unanswered.is_empty(), pushed == answered);
            }
        }
    }
}
