//! `docs/cli.md` is what `--help` says. After a change: `TONGBAO_UPDATE_DOCS=1 cargo nextest run --test cli_documented`.

use clap::{Command, CommandFactory as _};
use tongbao::cli::Cli;

/// The long help of a command and of those below it, one section each.
fn sections(command: &mut Command, path: &str, into: &mut String) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    into.extend(["## ", path, "\n\n```text\n", lines.join("\n").trim_end(), "\n```\n\n"]);
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).filter(|name| name != "help").collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            sections(sub, &format!("{path} {name}"), into);
        }
    }
}

#[test]
fn the_page_is_what_the_help_says() {
    let mut command = Cli::command();
    command.build();
    let mut page = "# Command line\n\nWhat `--help` says, command by command. Exit codes: 0 done, 1 failed, 2 called in a wrong \
                    way, 3 refused, 4 not reachable.\n\n"
        .to_owned();
    sections(&mut command, "tongbao", &mut page);
    let page = page.trim_end().to_owned() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("TONGBAO_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/cli.md can be written");
    }
    let stands = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stands == page, "docs/cli.md is not what --help says; run this test with TONGBAO_UPDATE_DOCS=1");
}
