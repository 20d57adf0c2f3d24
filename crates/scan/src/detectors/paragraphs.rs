//! The parts of a text that blank lines part, and their lines. The text may be no UTF-8.

use std::iter::from_fn;

/// The paragraphs of a text, each with the number of its first line, from 1. One that is empty has blank lines on both of
/// its sides.
pub(super) fn paragraphs(content: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut rest, mut number) = (content, 1);
    from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = number;
        let (mut length, mut blank) = (0, 0);
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            if matches!(line, b"\n" | b"\r\n") {
                blank = line.len();
                break;
            }
            length += line.len();
        }
        let (paragraph, behind) = rest.split_at_checked(length)?;
        rest = behind.get(blank..)?;
        Some((first, paragraph))
    })
}

/// The lines of a text that ends with one, without their ends (`\n` or `\r\n`).
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}
