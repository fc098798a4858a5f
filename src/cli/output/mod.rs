//! How answers are shown: tables for people, JSON for programs, moments of time, progress.

mod json;
mod moment;
mod record;

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

pub use json::json_of;
pub use moment::{MomentError, first_moment_in, latest_moment_in, show_moment};
pub use record::{content_lines, kind_name, record_line, subject_of};

use super::Context;

/// A table with a head; Chinese characters count two columns.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// A bar for `length` steps, or one that does nothing when no person watches.
pub fn progress(context: &Context, length: u64, what: &str) -> ProgressBar {
    if !context.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A count of things that nobody knows the end of.
pub fn spinner(context: &Context, what: &str) -> ProgressBar {
    if !context.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_with_chinese_text() {
        let table = super::table(["编号", "name"], [["一二三".to_owned(), "x".to_owned()], ["1".to_owned(), "y".to_owned()]]);
        let at: Vec<_> = table
            .lines()
            .filter_map(|line| {
                line.find(['x', 'y']).map(|at| line[..at].chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>())
            })
            .collect();
        assert_eq!(at.len(), 2, "{table}");
        assert_eq!(at[0], at[1], "{table}");
    }
}
