//! What parent and child say to each other.
//!
//! The parent sends frames, a length (four bytes, the lowest first) in front of each: the limits, then the layer's bytes, then
//! an empty one at the layer's end. The child answers with a byte that says what it is, a length (eight bytes) and what it
//! says: once how it is confined; then the facts, or before them the wish to have the layer once more, which the parent
//! grants with the rest of the frames of a layer. Whatever the parent has begun to send ends with an empty frame even then.

use std::io::{self, ErrorKind, Read, Write};

use scan::limits::Limits;

/// The version of all of it; both are the same program, but for one that was replaced while it ran.
pub const VERSION: u8 = 1;
/// Bytes of a frame, its length in front not counted.
pub const FRAME_BYTES: usize = 256 << 10;
/// Bytes in front of an answer.
pub const HEAD_BYTES: usize = 9;
/// Numbers that the limits are.
const LIMITS: usize = 13;
/// What facts may take beyond what they are counted as: who has read, and why it ended.
const MORE_FACTS_BYTES: usize = 1 << 20;

/// What an answer of the child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How it is confined: the version, and the parts.
    Confined,
    /// It wants the layer once more.
    Again,
    /// The facts.
    Facts,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Confined => b'c',
            Self::Again => b'a',
            Self::Facts => b'f',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Confined, Self::Again, Self::Facts].into_iter().find(|kind| kind.byte() == byte)
    }

    /// How long such an answer may be.
    pub fn most_bytes(self, limits: &Limits) -> usize {
        match self {
            Self::Confined => 4,
            Self::Again => 0,
            Self::Facts => limits.facts_bytes.saturating_add(MORE_FACTS_BYTES),
        }
    }
}

/// What stands in front of an answer.
pub fn head(kind: Kind, length: usize) -> [u8; HEAD_BYTES] {
    let mut head = [kind.byte(); HEAD_BYTES];
    for (to, from) in head.iter_mut().skip(1).zip((length as u64).to_le_bytes()) {
        *to = from;
    }
    head
}

/// Reads what stands in front of an answer.
pub fn read_head([kind, length @ ..]: [u8; HEAD_BYTES]) -> Option<(Kind, u64)> {
    Some((Kind::of(kind)?, u64::from_le_bytes(length)))
}

/// Writes an answer.
pub fn answer(to: &mut impl Write, kind: Kind, content: &[u8]) -> io::Result<()> {
    to.write_all(&head(kind, content.len()))?;
    to.write_all(content)
}

/// The length in front of a frame.
pub fn frame_head(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Limits as a frame.
pub fn limits_frame(limits: &Limits) -> Vec<u8> {
    let Limits {
        entries,
        unpacked_bytes,
        ratio,
        ratio_from_bytes,
        file_bytes,
        text_bytes,
        path_bytes,
        packages,
        facts_bytes,
        archive_depth,
        archive_entries,
        archive_bytes,
        archives_bytes,
    } = *limits;
    let numbers: [u64; LIMITS] = [
        entries,
        unpacked_bytes,
        ratio,
        ratio_from_bytes,
        file_bytes,
        text_bytes,
        path_bytes as u64,
        packages as u64,
        facts_bytes as u64,
        archive_depth as u64,
        archive_entries,
        archive_bytes,
        archives_bytes,
    ];
    let mut frame = frame_head(8 * LIMITS).to_vec();
    frame.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    frame
}

/// Reads the frame of the limits.
pub fn read_limits(from: &mut impl Read) -> io::Result<Limits> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    if head != frame_head(8 * LIMITS) {
        return Err(io::Error::new(ErrorKind::InvalidData, "the first frame does not hold the limits"));
    }
    let mut number = || {
        let mut number = [0; 8];
        from.read_exact(&mut number)?;
        Ok::<_, io::Error>(u64::from_le_bytes(number))
    };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Limits {
        entries: number()?,
        unpacked_bytes: number()?,
        ratio: number()?,
        ratio_from_bytes: number()?,
        file_bytes: number()?,
        text_bytes: number()?,
        path_bytes: size(number()?),
        packages: size(number()?),
        facts_bytes: size(number()?),
        archive_depth: size(number()?),
        archive_entries: number()?,
        archive_bytes: number()?,
        archives_bytes: number()?,
    })
}

/// A layer, of the frames that it comes in.
pub struct Layer<'a, R> {
    from: &'a mut R,
    left: u32,
    is_at_end: bool,
}

impl<'a, R: Read> Layer<'a, R> {
    /// The layer whose frames come next.
    pub fn new(from: &'a mut R) -> Self {
        Self { from, left: 0, is_at_end: false }
    }

    /// Leaves out what is left of it.
    pub fn skip_rest(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Layer<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.is_at_end {
            let mut head = [0; 4];
            self.from.read_exact(&mut head)?;
            self.left = u32::from_le_bytes(head);
            self.is_at_end = self.left == 0;
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..most).unwrap_or_default();
        if part.is_empty() {
            return Ok(0);
        }
        let count = self.from.read(part)?;
        if count == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the frames end before the layer"));
        }
        self.left = self.left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().flat_map(|part| [&frame_head(part.len())[..], part].concat()).collect()
    }

    #[test]
    fn limits_go_over_as_they_are() {
        let limits = Limits { entries: 7, path_bytes: 9, archive_bytes: u64::MAX, ..Limits::default() };
        let frame = limits_frame(&limits);
        assert_eq!(format!("{:?}", read_limits(&mut frame.as_slice()).expect("limits")), format!("{limits:?}"));
        assert!(read_limits(&mut &frame[..50]).is_err());
        assert!(read_limits(&mut &frame[1..]).is_err());
    }

    #[test]
    fn a_layer_ends_with_its_empty_frame() {
        let bytes = frames(&[b"ab", b"cde", b"", b"next", b""]);
        let mut input = bytes.as_slice();
        let mut text = String::new();
        Layer::new(&mut input).read_to_string(&mut text).expect("a layer");
        assert_eq!(text, "abcde");
        let mut layer = Layer::new(&mut input);
        layer.read_exact(&mut [0]).expect("a byte");
        layer.skip_rest().expect("the rest");
        assert!(input.is_empty());
        for cut in 0..bytes.len() - frames(&[b"next", b""]).len() {
            assert!(Layer::new(&mut &bytes[..cut]).skip_rest().is_err(), "{cut}");
        }
    }

    #[test]
    fn answers_say_what_they_are() {
        for kind in [Kind::Confined, Kind::Again, Kind::Facts] {
            assert_eq!(read_head(head(kind, 513)), Some((kind, 513)));
        }
        assert_eq!(read_head([b'x'; HEAD_BYTES]), None);
    }
}
