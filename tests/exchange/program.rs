//! The real program as a process of its own, so that it can be killed.

use std::process::{Child, Command, Stdio};

use tongbao::{cli::house::House, client::Connection};

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
        command.args(["serve", "--config"]).arg(house.config_file()).stdout(Stdio::null()).stderr(Stdio::null());
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
