//! Text in columns, with colours where a terminal shows them.

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    None,
    Bold,
    Green,
    Red,
}

pub struct Cell {
    pub text: String,
    pub colour: Colour,
}

impl Cell {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: Colour::None }
    }

    pub fn bold(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: Colour::Bold }
    }

    /// Green if `is_good`, else red.
    pub fn judged(text: impl Into<String>, is_good: bool) -> Self {
        Self { text: text.into(), colour: if is_good { Colour::Green } else { Colour::Red } }
    }
}

/// A number without decimals, its thousands parted; small numbers keep one decimal.
pub fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// First column to the left, the others to the right, each as wide as its widest cell.
pub fn align(text: &mut String, lines: &[Vec<Cell>], colours: bool) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.text.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - cell.text.chars().count());
            let (start, end) = match cell.colour {
                Colour::Bold if colours => ("\x1b[1m", "\x1b[0m"),
                Colour::Green if colours => ("\x1b[32m", "\x1b[0m"),
                Colour::Red if colours => ("\x1b[31m", "\x1b[0m"),
                Colour::None | Colour::Bold | Colour::Green | Colour::Red => ("", ""),
            };
            // The first column is words, the others are figures.
            let (before, after) = if column == 0 { ("", space.as_str()) } else { (space.as_str(), "") };
            let gap = if column == 0 { "" } else { "   " };
            text.extend([gap, before, start, &cell.text, end, after]);
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let rows = [
            (0.26, "0.3"),
            (99.94, "99.9"),
            (512.4, "512"),
            (1000.0, "1,000"),
            (71_234.6, "71,235"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in rows {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn columns_line_up_with_and_without_colours() {
        let lines = || {
            let coloured = Cell { text: "7x".to_owned(), colour: Colour::Green };
            [vec![Cell::bold("row"), Cell::bold("ratio")], vec![Cell::plain("± a long one"), coloured]]
        };
        let (mut plain, mut coloured) = (String::new(), String::new());
        align(&mut plain, &lines(), false);
        align(&mut coloured, &lines(), true);
        assert_eq!(plain, "row            ratio\n± a long one      7x\n");
        let stripped = ["\x1b[0m", "\x1b[1m", "\x1b[32m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }
}
