//! Lines of the log: one for each event, whatever clients put into the values that are logged.

use std::io::{self, Write};

use aws::visible::{is_hidden, shown_json};
use config::settings::LogFormat;

/// Writes events, each of which comes whole.
pub struct LogLines<W> {
    writer: W,
    format: LogFormat,
    /// Whether the events hold colours. What is logged is free of them by then.
    has_colours: bool,
}

impl<W: Write> LogLines<W> {
    /// Writes events of that format.
    pub const fn new(writer: W, format: LogFormat, has_colours: bool) -> Self {
        Self { writer, format, has_colours }
    }

    fn line(&self, event: &str) -> String {
        if self.format == LogFormat::Json {
            return shown_json(event).into_owned();
        }
        let (text, end) = event.strip_suffix('\n').map_or((event, ""), |text| (text, "\n"));
        let mut line = String::with_capacity(event.len() + 16);
        for character in text.chars() {
            match character {
                '\u{1b}' if self.has_colours => line.push(character),
                '\t' => line.push(character),
                '\n' | '\r' => line.extend(character.escape_default()),
                _ if is_hidden(character) => line.extend(character.escape_unicode()),
                _ => line.push(character),
            }
        }
        line + end
    }
}

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = self.line(&String::from_utf8_lossy(event));
        self.writer.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: LogFormat, has_colours: bool, event: &str) -> String {
        let mut lines = LogLines::new(Vec::new(), format, has_colours);
        lines.write_all(event.as_bytes()).expect("written");
        String::from_utf8(lines.writer).expect("text")
    }

    #[test]
    fn an_event_is_one_line() {
        for (event, expected) in [
            ("INFO plain é\n", "INFO plain é\n"),
            ("INFO a\nERROR forged\r\n", "INFO a\\nERROR forged\\r\n"),
            ("INFO a\u{2028}b\u{202e}c\u{85}\n", "INFO a\\u{2028}b\\u{202e}c\\u{85}\n"),
            ("INFO \u{1b}[31m\n", "INFO \\u{1b}[31m\n"),
        ] {
            assert_eq!(written(LogFormat::Text, false, event), expected, "{event:?}");
        }
        assert_eq!(written(LogFormat::Text, true, "\u{1b}[32mINFO\u{1b}[0m\n"), "\u{1b}[32mINFO\u{1b}[0m\n");
        assert_eq!(written(LogFormat::Json, false, "{\"a\":\"b\u{2029}\"}\n"), "{\"a\":\"b\\u2029\"}\n");
    }
}
