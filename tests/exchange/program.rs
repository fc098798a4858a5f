//! The real program as a process of its own, so that it can be killed.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tongbao::{cli::house::House, client::Connection};

/// Where every program over this world writes its log, one after the other.
fn log_of(house: &House) -> PathBuf {
    house.config_file().with_file_name("serve.log")
}

/// The last lines of that log, for who has to understand a failure.
pub fn last_lines(house: &House, count: usize) -> String {
    let log = std::fs::read_to_string(log_of(house)).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A `tongbao serve` that runs.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it over the world of a house and waits until it serves; `probe` is any connection to it.
    pub async fn start(house: &House, probe: &Connection) -> Self {
        Self::start_with(house, probe, |_| {}).await
    }

    /// Starts it after something was changed in its environment.
    pub async fn start_with(house: &House, probe: &Connection, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tongbao"));
        let log = File::options().create(true).append(true).open(log_of(house)).expect("a log");
        command.args(["serve", "--config"]).arg(house.config_file()).stdout(Stdio::null()).stderr(log);
        prepare(&mut command);
        let child = command.spawn().expect("the program starts");
        super::until("the gateway", || async { probe.greet().await.is_ok() }).await;
        Self { child }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself: then there is nobody to kill.
        let _ = self.child.kill();
        self.child.wait().expect("it is dead");
    }
}

impl Drop for Program {
    /// No test leaves one behind, not even one that failed.
    fn drop(&mut self) {
        self.end();
    }
}
