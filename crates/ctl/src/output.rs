//! Printing: aligned text for people, JSON for scripts.

use std::io::{IsTerminal as _, Write};
use std::os::fd::AsFd;

use aws::visible;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use crate::error::Error;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
    /// For code hosts, which show findings beside the code: SARIF 2.1.0.
    Sarif,
}

impl Format {
    /// Reads what every command can print.
    pub(crate) fn of_every_command() -> impl TypedValueParser<Value = Self> {
        let values = [Self::Text, Self::Json].iter().filter_map(Self::to_possible_value);
        PossibleValuesParser::new(values).try_map(|text| Self::from_str(&text, true))
    }
}

/// What is known of where a command prints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// Whether colours are shown.
    pub has_colours: bool,
    /// How many letters a line holds; none where it is no terminal, and nothing is cut.
    pub width: Option<usize>,
}

impl Screen {
    /// That of standard output. `no_colour` is what the environment's `NO_COLOR` is set to.
    pub(crate) fn of_stdout(no_colour: Option<&str>) -> Self {
        let stdout = std::io::stdout();
        // no-color.org: any value but an empty one.
        let has_colours = stdout.is_terminal() && no_colour.is_none_or(str::is_empty);
        Self { has_colours, width: width(&stdout) }
    }
}

/// How many letters a line of a terminal holds; none if it is no terminal.
pub(crate) fn width(terminal: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Colour never carries a meaning alone: the words say it too.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Green,
    Red,
    Bold,
}

/// A column is not cut to less.
const LEAST_COLUMN: usize = 12;

/// A label and the lines of its value.
pub(crate) type Field = (&'static str, Vec<String>);

/// A field of one line.
pub(crate) fn field(label: &'static str, value: impl Into<String>) -> Field {
    (label, vec![value.into()])
}

/// Where and how a command prints.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    format: Format,
    screen: Screen,
}

impl<'a> Output<'a> {
    pub(crate) fn new(writer: &'a mut dyn Write, format: Format, screen: Screen) -> Self {
        Self { writer, format, screen }
    }

    /// How it prints.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
        writeln!(self.writer, "{}", visible::shown_json(&text))?;
        Ok(())
    }

    /// A value: as JSON, or as the text that `text` makes of it, which ends without a line break.
    pub(crate) fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Error> {
        match self.format {
            Format::Json | Format::Sarif => self.json(value),
            Format::Text => {
                let text = text(value);
                // Colours are put in by what makes the text, out of values that are cleaned by then.
                let text = if self.screen.has_colours { text } else { clean(&text) };
                Ok(writeln!(self.writer, "{text}")?)
            }
        }
    }

    /// A list: as JSON, or as a table; `empty` is said in place of a table without rows.
    pub(crate) fn list<T: Serialize>(
        &mut self,
        items: &[T],
        empty: &str,
        columns: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Error> {
        if self.format != Format::Text {
            return self.json(&items);
        }
        if items.is_empty() {
            return Ok(writeln!(self.writer, "{empty}")?);
        }
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        let mut lines = table(columns, &rows).into_iter();
        let heading = lines.next().unwrap_or_default();
        writeln!(self.writer, "{}", self.coloured(&heading, Colour::Bold))?;
        for line in lines {
            writeln!(self.writer, "{line}")?;
        }
        Ok(())
    }

    /// A table after what was shown, for people alone: scripts have it in what was shown.
    pub(crate) fn table<T: Serialize>(
        &mut self,
        items: &[T],
        columns: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Error> {
        match self.format {
            Format::Json | Format::Sarif => Ok(()),
            Format::Text => self.list(items, "", columns, row),
        }
    }

    /// One of many values that are shown as they come: as a line of JSON, or of text.
    pub(crate) fn line<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Error> {
        let line = match self.format {
            Format::Json | Format::Sarif => {
                visible::shown_json(&serde_json::to_string(value).map_err(std::io::Error::from)?).into_owned()
            }
            Format::Text => clean(&text(value)),
        };
        writeln!(self.writer, "{line}")?;
        Ok(self.writer.flush()?)
    }

    /// A remark after what was shown, for people alone.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Error> {
        match self.format {
            Format::Json | Format::Sarif => Ok(()),
            Format::Text => Ok(writeln!(self.writer, "{}", clean(text))?),
        }
    }

    /// A table as a text, whose rows `dressed` colours. Where a terminal is too narrow, the ends of these columns are cut off.
    pub(crate) fn table_text(
        &self,
        columns: &[&str],
        rows: &[Vec<String>],
        cut: &[usize],
        dressed: impl Fn(usize, String) -> String,
    ) -> String {
        let mut lines = self.table_lines(columns, rows, cut).into_iter();
        let heading = self.coloured(&lines.next().unwrap_or_default(), Colour::Bold);
        let rows = lines.enumerate().map(|(at, line)| dressed(at, line));
        std::iter::once(heading).chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// The lines of a table, the heading first. Where a terminal is too narrow, the ends of these columns are cut off.
    fn table_lines(&self, columns: &[&str], rows: &[Vec<String>], cut: &[usize]) -> Vec<String> {
        let Some(width) = self.screen.width else { return table(columns, rows) };
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| clean(cell).replace('\n', " ")).collect()).collect();
        table(columns, &narrowed(columns, rows, width, cut))
    }

    /// The text in a colour, where colours are shown.
    pub(crate) fn coloured(&self, text: &str, colour: Colour) -> String {
        if !self.screen.has_colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => "32",
            Colour::Red => "31",
            Colour::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text from elsewhere, in which what would steer the terminal or hide is shown as escapes.
pub(crate) fn clean(text: &str) -> String {
    visible::shown(text).into_owned()
}

/// Lines of columns that are as wide as their widest entry. What is empty is shown as a dash.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|column| (*column).to_owned()).collect()];
    lines.extend(rows.iter().map(|row| row.iter().map(|cell| shown(cell).replace('\n', " ")).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    lines
        .iter()
        .map(|line| {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// The rows of a table that is at most so wide, as far as cutting these columns makes it that.
fn narrowed(columns: &[&str], mut rows: Vec<Vec<String>>, width: usize, cut: &[usize]) -> Vec<Vec<String>> {
    let wide = |rows: &[Vec<String>], at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(columns[at].chars().count()).max(1)
    };
    for at in cut {
        let total: usize = (0..columns.len()).map(|at| wide(&rows, at)).sum::<usize>() + 2 * (columns.len() - 1);
        let (own, over) = (wide(&rows, *at), total.saturating_sub(width));
        if over > 0 {
            let left = own.saturating_sub(over).max(LEAST_COLUMN);
            for cell in rows.iter_mut().filter_map(|row| row.get_mut(*at)) {
                *cell = short(cell, left);
            }
        }
    }
    rows
}

/// A text of at most so many letters, of which the last stands for what is left out.
pub(crate) fn short(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let begin: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", begin.trim_end())
}

fn shown(value: &str) -> String {
    if value.is_empty() { "-".to_owned() } else { clean(value) }
}

/// Labels and values below each other. A value without lines is shown as a dash.
pub(crate) fn fields(fields: &[Field]) -> String {
    let width = fields.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (label, value) in fields {
        let joined = shown(&value.join("\n"));
        for (at, line) in joined.lines().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(format!("{label:width$}  {line}").trim_end().to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, has_colours: bool, items: &[(&str, &str)]) -> String {
        let mut written = Vec::new();
        let mut output = Output::new(&mut written, format, Screen { has_colours, width: None });
        output
            .list(items, "No things.", &["NAME", "NOTE"], |(name, note)| vec![(*name).to_owned(), (*note).to_owned()])
            .expect("written");
        String::from_utf8(written).expect("text")
    }

    #[test]
    fn lists() {
        let items = [("first", "a\u{1b}[31m\nb"), ("é", "")];
        assert_eq!(printed(Format::Text, false, &items), "NAME   NOTE\nfirst  a\\u{1b}[31m b\né      -\n");
        assert_eq!(printed(Format::Text, true, &[("a", "b")]), "\u{1b}[1mNAME  NOTE\u{1b}[0m\na     b\n");
        assert_eq!(printed(Format::Text, true, &[]), "No things.\n");
        assert_eq!(printed(Format::Json, true, &[]), "[]\n");
        let tricks = [("a\u{202e}b", "c\u{2028}d\u{9b}")];
        assert_eq!(printed(Format::Text, false, &tricks), "NAME        NOTE\na\\u{202e}b  c\\u{2028}d\\u{9b}\n");
        let json = printed(Format::Json, false, &tricks);
        assert!(json.contains(r"a\u202eb") && json.contains(r"c\u2028d\u009b"), "{json}");
    }

    #[test]
    fn narrow_terminals() {
        let rows = [
            vec!["HIGH".to_owned(), "a package of many letters".to_owned(), "usr/lib/python3/METADATA".to_owned()],
            vec!["LOW".to_owned(), "b".to_owned(), String::new()],
        ];
        let columns = ["SEVERITY", "PACKAGE", "WHERE"];
        let lines = |width| {
            let mut written = Vec::new();
            let output = Output::new(&mut written, Format::Text, Screen { has_colours: false, width });
            output.table_lines(&columns, &rows, &[2, 1])
        };
        assert_eq!(lines(None), table(&columns, &rows));
        assert_eq!(lines(Some(80)), table(&columns, &rows));
        assert_eq!(
            lines(Some(55)),
            [
                "SEVERITY  PACKAGE                    WHERE",
                "HIGH      a package of many letters  usr/lib/python3/M…",
                "LOW       b                          -",
            ]
        );
        // Both are cut, and neither to nothing.
        for (width, widest) in [(45, 45), (20, 36)] {
            let lines = lines(Some(width));
            assert_eq!(lines.iter().map(|line| line.chars().count()).max(), Some(widest), "{lines:?}");
        }
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("äbc d", 4), "äbc…");
    }

    #[test]
    fn labels() {
        let lines = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(
            fields(&[field("A", "1"), ("Long", lines), ("B", vec![])]),
            "A     1\nLong  one\n      two\nB     -"
        );
    }
}
