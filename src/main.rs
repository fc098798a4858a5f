//! Parses the command line, runs the command, returns its exit code.

use std::process::ExitCode;

/// A third of a busy gateway's time went into the C library's allocator, which many threads that free each other's messages wear
/// out (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tongbao::cli::main()
}
