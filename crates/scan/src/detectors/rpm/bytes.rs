//! Numbers in bytes, and how many bytes may be read in all.

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The one of the least worth.
    Little,
    /// The one of the greatest worth.
    Big,
}

impl Order {
    /// The number of 16 bits at a place; nothing beyond the end.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(*number),
            Self::Big => u16::from_be_bytes(*number),
        })
    }

    /// The number of 32 bits at a place; nothing beyond the end.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(*number),
            Self::Big => u32::from_be_bytes(*number),
        })
    }
}

/// The part of so many bytes at a place; nothing if it does not lie within.
pub(super) fn part(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// The pages of a file: each is given out once, so that no loop or overlap has it read again and again.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    content: &'a [u8],
    size: usize,
    is_taken: Vec<bool>,
    /// Bytes that may still be read of what lies on pages beside each other: no more than the file.
    left: usize,
}

impl<'a> Pages<'a> {
    /// The pages of that size, which is not 0. What follows the last whole one is none.
    pub(super) fn new(content: &'a [u8], size: usize) -> Self {
        Self { content, size, is_taken: vec![false; content.len() / size], left: content.len() }
    }

    pub(super) fn count(&self) -> usize {
        self.is_taken.len()
    }

    /// Bytes of the whole file.
    pub(super) fn bytes(&self) -> usize {
        self.content.len()
    }

    /// A page by its number from 0, whether it was given out or not.
    pub(super) fn peek(&self, number: usize) -> Option<&'a [u8]> {
        part(self.content, number.checked_mul(self.size)?, self.size)
    }

    /// Gives a page out, by its number from 0.
    pub(super) fn take(&mut self, number: usize) -> Result<&'a [u8], String> {
        match self.is_taken.get_mut(number) {
            None => Err(format!("page {number} lies beyond the end of the file")),
            Some(true) => Err(format!("page {number} belongs to two places")),
            Some(is_taken) => {
                *is_taken = true;
                self.peek(number).ok_or_else(|| format!("page {number} lies beyond the end of the file"))
            }
        }
    }

    pub(super) fn is_taken(&self, number: usize) -> bool {
        self.is_taken.get(number).copied().unwrap_or_default()
    }

    /// Has so many bytes of a page be read, of whose items each is read once.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or("what it holds is larger than the file: it lies over itself")?;
        Ok(())
    }
}
