//! Numbers and texts as bytes, for facts: read of any bytes without trust, within a bound of what they unfold to.

use super::stored::Damaged;

/// A number, seven bits a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Bytes, their length in front.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A text, its length in front.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// A text as how much of another it begins with, and what follows.
pub(super) fn put_after(out: &mut Vec<u8>, last: &str, text: &str) {
    let same = last.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
    let shared = text.floor_char_boundary(same);
    put_number(out, shared as u64);
    put_text(out, text.get(shared..).unwrap_or_default());
}

/// Bytes that are read from the first on.
#[derive(Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
    /// What may still be made of them.
    pub(super) budget: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], budget: usize) -> Self {
        Self { rest: bytes, budget }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes from the budget.
    pub(super) fn charge(&mut self, cost: usize) -> Result<(), Damaged> {
        self.budget = self.budget.checked_sub(cost).ok_or(Damaged("more than facts may hold"))?;
        Ok(())
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged("an end in the middle"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                // One number has one form.
                return if byte == 0 && shift > 0 { Err(Damaged("a long number")) } else { Ok(number) };
            }
        }
        Err(Damaged("a number that is too large"))
    }

    pub(super) fn count(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged("a number that is too large"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Damaged("an end in the middle"))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("bytes that are no text"))
    }

    /// Makes a text of the one before.
    pub(super) fn after(&mut self, last: &mut String) -> Result<(), Damaged> {
        let shared = self.count()?;
        if !last.is_char_boundary(shared) {
            return Err(Damaged("a text that begins with more than there is"));
        }
        last.truncate(shared);
        last.push_str(self.text()?);
        Ok(())
    }
}
