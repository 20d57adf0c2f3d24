//! The bytes of a feed's file without its compression, within bounds.

use std::{
    cell::Cell,
    io::{self, BufReader, Read},
    rc::Rc,
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::{FeedLimits, packaging::Compression};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// The largest window of zstd, as a power of two: 128 MiB, as its strongest level has it.
const WINDOW_LOG: u32 = 27;
/// What reading xz may take of memory, in KiB: its strongest level has a dictionary of 64 MiB.
const XZ_KIB: u32 = 160 << 10;

/// A file's bytes, unpacked while they are read.
pub(super) struct Unpacked<R: Read> {
    source: Source<R>,
    /// Bytes of the file that were read.
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    limits: FeedLimits,
}

type Stored<R> = BufReader<Counted<R>>;

enum Source<R: Read> {
    Plain(Stored<R>),
    Gzip(Box<MultiGzDecoder<Stored<R>>>),
    Bzip2(Box<MultiBzDecoder<Stored<R>>>),
    Xz(Box<XzReader<Stored<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Stored<R>>),
}

struct Counted<R> {
    inner: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get().saturating_add(count as u64));
        Ok(count)
    }
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(input: R, compression: Compression, limits: &FeedLimits) -> io::Result<Self> {
        let packed = Rc::new(Cell::new(0));
        let stored = BufReader::with_capacity(BUFFER_BYTES, Counted { inner: input, bytes: Rc::clone(&packed) });
        let source = match compression {
            Compression::None => Source::Plain(stored),
            Compression::Gzip => Source::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Compression::Bzip2 => Source::Bzip2(Box::new(MultiBzDecoder::new(stored))),
            Compression::Xz => Source::Xz(Box::new(XzReader::new_mem_limit(stored, true, XZ_KIB))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stored)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Source::Zstd(decoder)
            }
        };
        Ok(Self { source, packed, unpacked: 0, limits: *limits })
    }

    /// Reads what is left, so that the checksums at the end are looked at.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.source {
            Source::Plain(stored) => stored.read(buffer),
            Source::Gzip(decoder) => decoder.read(buffer),
            Source::Bzip2(decoder) => decoder.read(buffer),
            Source::Xz(decoder) => decoder.read(buffer),
            Source::Zstd(decoder) => decoder.read(buffer),
        }?;
        self.unpacked = self.unpacked.saturating_add(count as u64);
        self.limits.check(self.unpacked, self.packed.get()).map_err(io::Error::other)?;
        Ok(count)
    }
}
