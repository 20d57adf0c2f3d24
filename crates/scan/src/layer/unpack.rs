//! The bytes of a layer without its compression, within the layer's bounds.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::Stop;
use crate::limits::Limits;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// The largest window of zstd, as a power of two: what zstd itself takes without being asked, 128 MiB.
const WINDOW_LOG: u32 = 27;

/// A layer's bytes, unpacked while they are read.
pub(super) struct Unpacked<R: Read> {
    source: Source<R>,
    buffer: Vec<u8>,
    /// Where what is not taken yet begins and ends in the buffer.
    at: usize,
    end: usize,
    /// Bytes that were unpacked, and holes of sparse files that were filled.
    unpacked: u64,
    limits: Limits,
}

/// The layer as it is stored, its first bytes read already.
type Stored<R> = BufReader<Chain<Cursor<Vec<u8>>, Counted<R>>>;

/// How the layer is packed, told by its first bytes: media types are not to be relied on.
enum Source<R: Read> {
    Plain(Stored<R>),
    Gzip(Box<MultiGzDecoder<Stored<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Stored<R>>),
}

/// Counts what is read, and keeps what failed in reading apart from what is wrong with the layer.
struct Counted<R> {
    inner: R,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.bytes = self.bytes.saturating_add(count as u64);
                Ok(count)
            }
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                if error.kind() != io::ErrorKind::Interrupted {
                    self.failure = Some(error);
                }
                Err(told)
            }
        }
    }
}

impl<R: Read> Source<R> {
    fn new(input: R) -> io::Result<Self> {
        let mut counted = Counted { inner: input, bytes: 0, failure: None };
        let mut head = Vec::new();
        (&mut counted).take(4).read_to_end(&mut head)?;
        let packed = Packed::of(&head);
        let stored = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(counted));
        Ok(match packed {
            Packed::No => Self::Plain(stored),
            Packed::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Packed::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stored)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Self::Zstd(decoder)
            }
        })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stored) => stored.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }

    fn counted(&mut self) -> &mut Counted<R> {
        let stored = match self {
            Self::Plain(stored) => stored,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        // Nothing is read behind the decoder's back: only the count and the failure are looked at.
        stored.get_mut().get_mut().1
    }
}

/// The forms that layers are packed in.
enum Packed {
    No,
    Gzip,
    Zstd,
}

impl Packed {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // A frame, or one that is to be skipped, with which seekable forms may begin.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::No,
        }
    }
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(input: R, limits: &Limits) -> io::Result<Self> {
        let source = Source::new(input)?;
        Ok(Self { source, buffer: vec![0; BUFFER_BYTES], at: 0, end: 0, unpacked: 0, limits: *limits })
    }

    /// Why the layer as it is stored could not be read, if that was it: nothing is wrong with the layer then.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.source.counted().failure.take()
    }

    /// What is in the buffer, at least `wanted` bytes if there are as many (and no more than the buffer holds).
    pub(super) fn peek(&mut self, wanted: usize) -> Result<&[u8], Stop> {
        if self.end.saturating_sub(self.at) < wanted {
            self.buffer.copy_within(self.at..self.end, 0);
            self.end = self.end.saturating_sub(self.at);
            self.at = 0;
            while self.end < wanted.min(BUFFER_BYTES) && self.fill()? > 0 {}
        }
        Ok(self.buffer.get(self.at..self.end).unwrap_or_default())
    }

    /// Reads once behind what the buffer holds.
    fn fill(&mut self) -> Result<usize, Stop> {
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.source.read(room) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Unpack(error.to_string())),
            }
        };
        self.end = self.end.saturating_add(count);
        self.charge(count as u64)?;
        Ok(count)
    }

    /// Counts bytes that are made of the layer.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Stop> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.limits.unpacked_bytes {
            return Err(Stop::UnpackedBytes(self.limits.unpacked_bytes));
        }
        let is_too_much = self.unpacked > self.limits.ratio_from_bytes
            && self.unpacked / self.limits.ratio.max(1) > self.source.counted().bytes;
        if is_too_much { Err(Stop::Ratio(self.limits.ratio)) } else { Ok(()) }
    }

    /// Leaves out bytes; fewer only where the layer ends.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<u64, Stop> {
        let mut skipped = 0;
        while bytes > 0 {
            let there = self.peek(1)?.len();
            if there == 0 {
                break;
            }
            let count = there.min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.at = self.at.saturating_add(count);
            bytes = bytes.saturating_sub(count as u64);
            skipped += count as u64;
        }
        Ok(skipped)
    }

    /// Puts bytes behind what `into` has; fewer only where the layer ends.
    pub(super) fn read(&mut self, mut bytes: u64, into: &mut Vec<u8>) -> Result<u64, Stop> {
        let mut taken = 0;
        while bytes > 0 {
            let there = self.peek(1)?;
            let count = there.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            if count == 0 {
                break;
            }
            into.extend_from_slice(there.get(..count).unwrap_or_default());
            self.at = self.at.saturating_add(count);
            bytes = bytes.saturating_sub(count as u64);
            taken += count as u64;
        }
        Ok(taken)
    }
}
