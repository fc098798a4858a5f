//! Compiles the protocol definitions with a pure-Rust compiler and keeps the descriptor set for reflection.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 6] = [
    "tongbao/v1/records.proto",
    "tongbao/v1/publish.proto",
    "tongbao/v1/feed.proto",
    "tongbao/v1/lookup.proto",
    "tongbao/v1/screening.proto",
    "tongbao/v1/evidence.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure().compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}
