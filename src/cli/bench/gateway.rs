//! The measured gateway, in a process of its own: what it costs is read from the system, apart from the load.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::Mutex,
};

use super::broken;
use crate::{
    cli::{Context, Failure, house::House},
    client::Connection,
};

/// A gateway that was not ready by then failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// A gateway that did not stop by then is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Ticks a second in which Linux counts processor time towards programs, whatever the kernel's own clock.
const TICKS_A_SECOND: f64 = 100.0;

/// The gateway and its world.
pub(super) struct Gateway {
    /// Its world.
    pub(super) house: House,
    context: Context,
    process: Mutex<Option<Child>>,
    /// Process id; 0 = it does not run.
    id: AtomicU32,
}

/// What the gateway has used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time since its start, microseconds, to 10 ms.
    pub(super) processor_us: f64,
    /// Memory it holds now, MiB.
    pub(super) resident_mib: f64,
    /// Most it held since the peak was forgotten, MiB.
    pub(super) peak_mib: f64,
}

impl Gateway {
    /// The gateway of a house, not started.
    pub(super) fn new(house: House, context: &Context) -> Self {
        Self { house, context: context.clone(), process: Mutex::default(), id: AtomicU32::new(0) }
    }

    /// Starts it and waits until it shakes hands (its port is open before its store is); answers how long that took.
    pub(super) async fn start(&self) -> Result<Duration, Failure> {
        let clock = &self.context.world.clock;
        let connection = Connection::open(&self.house.profile("gacc")?, self.context.lang, clock.clone())?;
        let started = clock.monotonic();
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--config"])
            .arg(self.house.config_file())
            // Idle streams on connections of their own are part of what is measured.
            .env("TONGBAO__LIMITS__MAX_CONNECTIONS", "100000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        while connection.greet().await.is_err() {
            if clock.monotonic() > started + PATIENCE || process.try_wait()?.is_some() {
                return Err(broken("网关没有启动", "the gateway did not start"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.id.store(process.id().unwrap_or(0), Ordering::Relaxed);
        *self.process.lock().await = Some(process);
        Ok(clock.monotonic().saturating_sub(started))
    }

    /// Stops it in good order, or kills it when it does not; fine when it does not run.
    pub(super) async fn stop(&self) -> Result<(), Failure> {
        let Some(mut process) = self.process.lock().await.take() else { return Ok(()) };
        let id = self.id.swap(0, Ordering::Relaxed);
        // The standard library only kills; asking politely is a signal.
        let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        let politely = asked.is_ok_and(|status| status.success());
        if !politely || tokio::time::timeout(STOP_WITHIN, process.wait()).await.is_err() {
            process.kill().await?;
        }
        Ok(())
    }

    /// What it has used; zeros where the system does not tell.
    pub(super) fn usage(&self) -> Usage {
        let read =
            |what| std::fs::read_to_string(format!("/proc/{}/{what}", self.id.load(Ordering::Relaxed))).unwrap_or_default();
        Usage {
            processor_us: ticks(&read("stat")) * 1_000_000.0 / TICKS_A_SECOND,
            resident_mib: kib(&read("status"), "VmRSS:") / 1024.0,
            peak_mib: kib(&read("status"), "VmHWM:") / 1024.0,
        }
    }

    /// Has the system begin anew with the most memory that it held. Where it cannot, the peak is that since the start.
    pub(super) fn forget_peak(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.id.load(Ordering::Relaxed)), "5");
    }
}

/// Processor time out of `/proc/PID/stat`: the 14th and 15th field. The second is a name in brackets and may hold anything.
fn ticks(stat: &str) -> f64 {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}

fn kib(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 5 0 1000 0 0";
        assert!((ticks(stat) - 168.0).abs() < f64::EPSILON, "{}", ticks(stat));
        assert!(ticks("").abs() < f64::EPSILON);
    }

    #[test]
    fn memory_is_found_among_the_lines() {
        let status = "Name:\ttongbao\nVmPeak:\t  900 kB\nVmRSS:\t  2048 kB\n";
        assert!((kib(status, "VmRSS:") - 2048.0).abs() < f64::EPSILON);
        assert!(kib("", "VmRSS:").abs() < f64::EPSILON);
    }
}
