//! Numbers, texts and lists as bytes, and parts that may be absent, each with a number of its own.

use super::VERSION;
use crate::advisory::Rating;

/// Bytes that are not what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored record of a feed is damaged: it holds {0}")]
pub struct Damaged(pub(super) &'static str);

/// Bytes that are made.
pub(super) struct Output(Vec<u8>);

impl Output {
    pub(super) fn new() -> Self {
        Self(vec![VERSION])
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn list<T>(&mut self, list: &[T], put: impl Fn(&mut Self, &T)) {
        self.number(list.len() as u64);
        for item in list {
            put(self, item);
        }
    }

    pub(super) fn float(&mut self, float: f64) {
        self.0.extend_from_slice(&float.to_le_bytes());
    }

    /// A list, if it is not empty, behind its number.
    pub(super) fn part<T>(&mut self, number: u8, list: &[T], put: impl Fn(&mut Self, &T)) {
        if !list.is_empty() {
            self.byte(number);
            self.list(list, put);
        }
    }

    /// A text, if there is one, behind its number.
    pub(super) fn text_part(&mut self, number: u8, text: Option<&str>) {
        if let Some(text) = text {
            self.byte(number);
            self.text(text);
        }
    }

    /// A text, if it is not empty, behind its number.
    pub(super) fn filled_part(&mut self, number: u8, text: &str) {
        self.text_part(number, Some(text).filter(|text| !text.is_empty()));
    }

    pub(super) fn rating(&mut self, rating: &Rating) {
        let Rating { source, version, vector, score } = rating;
        let tenths = (score * 10.0).round();
        let is_in_tenths = (0.0..=100.0).contains(&tenths) && (tenths / 10.0).to_bits() == score.to_bits();
        self.byte(*version);
        if is_in_tenths {
            self.byte(tenths as u8);
        } else {
            self.byte(WHOLE_SCORE);
            self.float(*score);
        }
        self.text(source);
        self.text(vector);
    }
}

/// In place of a score in tenths: all of it follows.
const WHOLE_SCORE: u8 = 0xff;

/// Bytes that are read from the first on.
#[derive(Clone)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Damaged> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(Self(rest)),
            Some(_) => Err(Damaged("another version")),
            None => Err(Damaged("nothing")),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged("an end in the middle"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || byte == 0 && shift > 0 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged("a number that is none"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged("an end in the middle"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<String, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged("an end in the middle"))?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Damaged("bytes that are no text"))?;
        Ok(text.to_owned())
    }

    /// A list. It grows while it is read: what it says of its length is not to be trusted.
    pub(super) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let count = self.number()?;
        let mut list = Vec::new();
        for _ in 0..count {
            let before = self.0.len();
            list.push(read(self)?);
            // What costs no byte could be there without end.
            if self.0.len() == before {
                return Err(Damaged("a list of nothing"));
            }
        }
        Ok(list)
    }

    pub(super) fn float(&mut self) -> Result<f64, Damaged> {
        let bytes = self.take(8)?;
        let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| Damaged("an end in the middle"))?;
        Ok(f64::from_le_bytes(bytes))
    }

    /// The number of the next part; `None` at the end.
    pub(super) fn part(&mut self) -> Option<u8> {
        self.byte().ok()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rating(&mut self) -> Result<Rating, Damaged> {
        let version = self.byte()?;
        let score = match self.byte()? {
            WHOLE_SCORE => self.float()?,
            tenths => f64::from(tenths) / 10.0,
        };
        Ok(Rating { source: self.text()?, version, vector: self.text()?, score })
    }
}
