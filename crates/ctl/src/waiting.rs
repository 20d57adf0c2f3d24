//! What a command says while it waits: on a terminal a line that changes, elsewhere a line whenever what is waited for has changed.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::duration::age;
use crate::output::{self, clean, short};
use crate::progress::{self, ProgressLine};

/// The lines, on standard error.
pub(crate) struct Waiting {
    line: ProgressLine,
    is_terminal: bool,
    began: Instant,
    said: String,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { line: ProgressLine::new(), is_terminal, began: Instant::now(), said: String::new() }
    }

    /// For how long it has been waited.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Says what is waited for, and since when; on a terminal after a bar, if it is known how much there is to do.
    pub(crate) fn show(&mut self, done: u64, total: u64, text: &str) {
        let text = clean(text);
        let elapsed = self.elapsed();
        if self.is_terminal {
            // A line that goes on in the next one could not be taken away.
            let room =
                output::width(&std::io::stderr()).map(|width| width.saturating_sub(progress::bar_width(total) + 1));
            self.line.show(done, total, &within(&text, elapsed, room));
        } else if let Some(line) = self.changed(text, elapsed) {
            eprintln!("{line}");
        }
    }

    /// The line to print, if it is another one than the last.
    fn changed(&mut self, text: String, elapsed: Duration) -> Option<String> {
        if text == self.said {
            return None;
        }
        let line = with_time(&text, elapsed);
        self.said = text;
        Some(line)
    }

    /// Takes the changing line away.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }
}

/// The text and the time in so much room, as far as the time leaves any for the text.
fn within(text: &str, elapsed: Duration, room: Option<usize>) -> String {
    let Some(room) = room else { return with_time(text, elapsed) };
    let time = with_time("", elapsed).chars().count();
    with_time(&short(text, room.saturating_sub(time)), elapsed)
}

fn with_time(text: &str, elapsed: Duration) -> String {
    format!("{text} ({})", age(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_longer_than_a_line() {
        let line = |room| within("app:v1: the scan is pending", Duration::from_secs(5), room);
        assert_eq!(line(None), "app:v1: the scan is pending (5s)");
        assert_eq!(line(Some(32)), "app:v1: the scan is pending (5s)");
        assert_eq!(line(Some(20)), "app:v1: the sc… (5s)");
    }

    #[test]
    fn a_line_for_each_change() {
        let mut waiting = Waiting::new();
        let mut said = |text: &str, seconds| waiting.changed(text.to_owned(), Duration::from_secs(seconds));
        assert_eq!(said("app:v1: the scan is pending", 0).as_deref(), Some("app:v1: the scan is pending (0s)"));
        assert_eq!(said("app:v1: the scan is pending", 2), None);
        assert_eq!(
            said("app:v1: the scan is in progress", 65).as_deref(),
            Some("app:v1: the scan is in progress (1m5s)")
        );
    }
}
