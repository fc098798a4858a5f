//! The measured gateway, in a process of its own.

use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use crate::{
    cli::{Context, Exit, Failure, house::House},
    client::Connection,
};

/// A gateway that was not ready by then failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// The process.
pub(super) struct Child(Process);

impl Child {
    /// Starts the gateway of a house and waits until it shakes hands: its port is open before its store is.
    pub(super) async fn start(house: &House, context: &Context) -> Result<Self, Failure> {
        let connection = Connection::open(&house.profile("gacc")?, context.lang, context.world.clock.clone())?;
        let process = Command::new(std::env::current_exe()?)
            .args(["serve", "--config"])
            .arg(house.config_file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let child = Self(process);
        let deadline = context.world.clock.monotonic() + PATIENCE;
        while connection.greet().await.is_err() {
            if context.world.clock.monotonic() > deadline {
                return Err(Failure::new(Exit::Failed, "BENCH", "网关没有启动", "the gateway did not start"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(child)
    }

    /// Memory it holds now, MiB; 0 where the system does not tell.
    pub(super) fn resident_memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    /// Stops it in good order.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        // The standard library only kills; asking politely is a signal.
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        if !asked.success() {
            self.0.kill()?;
        }
        tokio::task::spawn_blocking(move || self.0.wait()).await.map_err(std::io::Error::other)??;
        Ok(())
    }
}
