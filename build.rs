//! Compiles the protocol definitions with a pure-Rust compiler and keeps the descriptor set for reflection, and the name of the
//! compiler, which belongs to every measured figure.

use std::{env, error::Error, fs, path::PathBuf, process::Command};

const FILES: [&str; 8] = [
    "tongbao/v1/records.proto",
    "tongbao/v1/publish.proto",
    "tongbao/v1/feed.proto",
    "tongbao/v1/lookup.proto",
    "tongbao/v1/screening.proto",
    "tongbao/v1/evidence.proto",
    "tongbao/v1/docket.proto",
    "tongbao/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rustc-env=TONGBAO_COMPILER={}", rustc()?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    // Written by hand: see there.
    config.extern_path(".tongbao.v1.Deliveries", "crate::proto::Deliveries");
    tonic_prost_build::configure().compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

fn rustc() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
