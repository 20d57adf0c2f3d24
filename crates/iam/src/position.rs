//! Places in a policy text.

/// Line and column in characters, both from 1, as the policy simulator's `MatchedStatements` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Turns byte offsets into positions; offsets have to be asked for in ascending order.
pub(crate) struct Positions<'a> {
    text: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Positions<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, position: Position { line: 1, column: 1 } }
    }

    /// The position of a byte offset, which lies at the end of a character and not before the last one asked for.
    pub(crate) fn at(&mut self, offset: usize) -> Position {
        for character in self.text[self.offset..offset].chars() {
            if character == '\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else {
                self.position.column += 1;
            }
        }
        self.offset = offset;
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let mut positions = Positions::new("ab\nüc\n");
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (3, 2, 1), (5, 2, 2), (6, 2, 3), (7, 3, 1)] {
            assert_eq!(positions.at(offset), Position { line, column }, "{offset}");
        }
    }
}
