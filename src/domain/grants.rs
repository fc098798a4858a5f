//! Rights: participant × feed × action × filter × sections × purpose, with expiry. Deny by default.
