//! The records of a PAX header: what an entry's own header has no room for.

use super::Stop;

/// What is kept of the records in front of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: Option<PaxSparse>,
}

/// A sparse file, as GNU's records tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PaxSparse {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The pieces that hold bytes; `None` where the list is in front of the content.
    pub(super) pieces: Option<Vec<(u64, u64)>>,
}

/// GNU's records, while they are read.
#[derive(Default)]
struct Gnu {
    name: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    real_size: Option<Vec<u8>>,
    major: Vec<u8>,
    minor: Vec<u8>,
    map: Vec<u64>,
    count: Option<u64>,
    is_listed: bool,
}

/// A number in decimal digits.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number| i64::try_from(*number).is_ok())
}

/// The first record, as name and value, and what is behind it.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(data.get(..space)?)?).ok()?;
    let (record, behind) = data.split_at_checked(length)?;
    let record = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (name, value) = record.split_at_checked(equals)?;
    (!name.is_empty()).then_some((name, value.get(1..)?, behind))
}

impl Pax {
    /// Reads the content of a PAX header.
    pub(super) fn read(mut data: &[u8]) -> Result<Self, Stop> {
        let wrong = || Stop::Header("readable PAX records");
        let mut pax = Self::default();
        let mut gnu = Gnu::default();
        while !data.is_empty() {
            let (name, value, behind) = record(data).ok_or_else(wrong)?;
            data = behind;
            let given = (!value.is_empty()).then(|| value.to_vec());
            match name {
                b"path" | b"linkpath" if value.contains(&0) => return Err(wrong()),
                b"path" => pax.path = given,
                b"linkpath" => pax.link = given,
                b"size" => pax.size = given.map(|size| decimal(&size).ok_or_else(wrong)).transpose()?,
                _ => {
                    if let Some(name) = name.strip_prefix(b"GNU.sparse.") {
                        gnu.take(name, value).ok_or(Stop::Sparse)?;
                    }
                }
            }
        }
        pax.sparse = gnu.sparse()?;
        Ok(pax)
    }
}

impl Gnu {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let given = (!value.is_empty()).then(|| value.to_vec());
        match name {
            b"name" => self.name = given,
            b"size" => self.size = given,
            b"realsize" => self.real_size = given,
            b"major" => self.major = value.to_vec(),
            b"minor" => self.minor = value.to_vec(),
            b"numblocks" => self.count = Some(decimal(value)?),
            b"map" => {
                self.is_listed = !value.is_empty();
                self.map.clear();
                for number in value.split(|byte| *byte == b',').filter(|_| self.is_listed) {
                    self.map.push(decimal(number)?);
                }
            }
            // The oldest form has a record for each number: offset and length by turns.
            b"offset" | b"numbytes" => {
                if self.map.len().is_multiple_of(2) != (name == b"offset") {
                    return None;
                }
                self.is_listed = true;
                self.map.push(decimal(value)?);
            }
            _ => {}
        }
        Some(())
    }

    fn sparse(self) -> Result<Option<PaxSparse>, Stop> {
        let is_in_front = match (self.major.as_slice(), self.minor.as_slice()) {
            (b"0", b"0" | b"1") => false,
            (b"1", b"0") => true,
            (b"", b"") if self.is_listed => false,
            // A form that is not known: the entry is taken for what it says it is.
            _ => return Ok(None),
        };
        let size = self.size.or(self.real_size);
        let size = size.map(|size| decimal(&size).ok_or(Stop::Sparse)).transpose()?;
        let pieces = if is_in_front {
            None
        } else {
            let (pairs, rest) = self.map.as_chunks::<2>();
            if !rest.is_empty() || self.count != Some(pairs.len() as u64) {
                return Err(Stop::Sparse);
            }
            Some(pairs.iter().map(|[offset, length]| (*offset, *length)).collect())
        };
        Ok(Some(PaxSparse { name: self.name, size, pieces }))
    }
}
