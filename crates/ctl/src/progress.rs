//! A line on the terminal that shows how far something is. Nothing is shown where nobody looks.

use std::io::{IsTerminal as _, Write as _};

const WIDTH: usize = 24;

/// The line, on standard error.
pub(crate) struct ProgressLine {
    is_shown: bool,
    is_open: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), is_open: false }
    }

    /// Shows a text, after a bar if it is known how much there is to do.
    pub(crate) fn show(&mut self, done: u64, total: u64, text: &str) {
        if self.is_shown {
            // A terminal that is gone is nothing to fail of.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{}{text}", bar(done, total));
            let _ = std::io::stderr().flush();
            self.is_open = true;
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.is_open {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
            self.is_open = false;
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How many letters the bar before a text takes.
pub(crate) fn bar_width(total: u64) -> usize {
    bar(0, total).chars().count()
}

fn bar(done: u64, total: u64) -> String {
    if total == 0 {
        return String::new();
    }
    let done = done.min(total);
    let filled = (done as f64 / total as f64 * WIDTH as f64) as usize;
    format!(
        "[{}{}] {:>3}% ",
        "#".repeat(filled),
        ".".repeat(WIDTH - filled),
        (done as f64 / total as f64 * 100.0) as u64
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        assert_eq!((bar(0, 0).as_str(), bar_width(0), bar_width(9)), ("", 0, bar(9, 9).len()));
        assert_eq!(bar(1, 2), format!("[{}{}]  50% ", "#".repeat(12), ".".repeat(12)));
        assert_eq!(bar(9, 3), format!("[{}] 100% ", "#".repeat(24)));
    }
}
