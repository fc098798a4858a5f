//! What waits for a handler: in the order it came, and of one order key (an enterprise) never two at once. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::proto::Delivery;

/// A delivery on its way to the handler.
pub(super) struct Job {
    /// Number of the run in the books.
    pub(super) run: u64,
    /// Jobs of one key run one after the other.
    pub(super) key: String,
    pub(super) delivery: Delivery,
}

/// The jobs of one key.
#[derive(Default)]
struct Line {
    jobs: VecDeque<(u64, Job)>,
    /// Some of it are with a worker.
    busy: bool,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    arrived: u64,
    lines: HashMap<String, Line>,
    /// Keys that no worker has, by the arrival of their first job.
    ready: BTreeMap<u64, String>,
}

impl Queue {
    /// A job arrived.
    pub(super) fn push(&mut self, job: Job) {
        self.arrived += 1;
        let line = self.lines.entry(job.key.clone()).or_default();
        if !line.busy && line.jobs.is_empty() {
            self.ready.insert(self.arrived, job.key.clone());
        }
        line.jobs.push_back((self.arrived, job));
    }

    /// The oldest jobs that may run now, at most `most`. Their keys are the taker's until it calls [`Queue::done`].
    pub(super) fn take(&mut self, most: usize) -> Vec<Job> {
        let mut taken: Vec<Job> = Vec::new();
        while taken.len() < most.max(1)
            && let Some((_, key)) = self.ready.pop_first()
        {
            let Some(line) = self.lines.get_mut(&key) else { continue };
            line.busy = true;
            taken.extend(line.jobs.pop_front().map(|(_, job)| job));
            // The same taker may go on with this key.
            if let Some((arrived, _)) = line.jobs.front() {
                self.ready.insert(*arrived, key);
            }
        }
        for job in &taken {
            if let Some((arrived, _)) = self.lines.get(&job.key).and_then(|line| line.jobs.front()) {
                self.ready.remove(arrived);
            }
        }
        taken
    }

    /// A worker is done with what it took: with these keys.
    pub(super) fn done(&mut self, keys: &[String]) {
        for key in keys {
            let Some(line) = self.lines.get_mut(key) else { continue };
            line.busy = false;
            match line.jobs.front() {
                Some((arrived, _)) => drop(self.ready.insert(*arrived, key.clone())),
                None => drop(self.lines.remove(key)),
            }
        }
    }

    /// True when something may run now.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use proptest::prelude::*;

    use super::*;

    fn job(run: u64, key: u8) -> Job {
        Job { run, key: key.to_string(), delivery: Delivery::default() }
    }

    fn keys(jobs: &[Job]) -> Vec<String> {
        jobs.iter().map(|job| job.key.clone()).collect()
    }

    #[test]
    fn a_slow_enterprise_holds_up_no_other() {
        let mut queue = Queue::default();
        for (run, key) in [(1, 1), (2, 1), (3, 2)] {
            queue.push(job(run, key));
        }
        let slow = queue.take(1);
        assert_eq!(slow[0].run, 1);
        assert_eq!(queue.take(9).iter().map(|job| job.run).collect::<Vec<_>>(), [3], "2 waits for 1");
        assert!(!queue.is_ready());
        queue.done(&keys(&slow));
        assert_eq!(queue.take(9).iter().map(|job| job.run).collect::<Vec<_>>(), [2]);
    }

    proptest! {
        #[test]
        fn one_worker_a_key_in_order_and_nothing_is_left(
            ops in prop::collection::vec((0_u8..3, 0_u8..5, 1_usize..6), 0..200),
        ) {
            let mut queue = Queue::default();
            let mut workers: Vec<Vec<Job>> = Vec::new();
            let mut last: HashMap<String, u64> = HashMap::new();
            let (mut pushed, mut ran) = (0, 0);
            for (op, key, most) in ops.into_iter().chain(std::iter::repeat_n((1, 0, 6), 400)).chain(std::iter::repeat_n((2, 0, 1), 9)) {
                match op {
                    0 => {
                        pushed += 1;
                        queue.push(job(pushed, key));
                    }
                    1 if workers.len() > 3 => queue.done(&keys(&workers.remove(0))),
                    1 => {
                        let held: BTreeSet<_> = workers.iter().flat_map(|jobs| keys(jobs)).collect();
                        let taken = queue.take(most);
                        prop_assert!(taken.len() <= most);
                        prop_assert!(taken.is_sorted_by_key(|job| job.run), "oldest first");
                        for job in &taken {
                            prop_assert!(!held.contains(&job.key), "one worker a key");
                            prop_assert!(last.insert(job.key.clone(), job.run).is_none_or(|before| before < job.run));
                        }
                        ran += taken.len() as u64;
                        workers.push(taken);
                    }
                    _ => {
                        if let Some(jobs) = workers.pop() {
                            queue.done(&keys(&jobs));
                        }
                    }
                }
            }
            prop_assert_eq!(ran, pushed);
        }
    }
}
