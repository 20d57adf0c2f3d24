//! The entries of a tar archive, in order, and their content, as Go's `archive/tar` reads them.
//!
//! Not by a crate: names of any length and sparse files are read here within bounds, and where two readers of one archive
//! could differ, what counts is the one with which images are extracted.

use std::io::Read;

use super::Stop;
use super::header::{self, BLOCK_BYTES, Block, Header};
use super::pax::{Pax, PaxSparse, decimal};
use super::unpack::Unpacked;
use crate::limits::Limits;

/// Bytes of a header in front of an entry: as many as Go takes.
const MAX_FRONT_BYTES: u64 = 1 << 20;
/// Pieces of a sparse file.
const MAX_PIECES: usize = 100_000;

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The kind of the entry: the byte of the archive.
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    /// The size of its content, with the holes.
    pub(super) size: u64,
    sparse: Option<Sparse>,
}

/// Where the bytes of a sparse file belong.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sparse {
    Pieces(Vec<(u64, u64)>),
    /// The list is in front of the content.
    InFront,
}

impl Entry {
    pub(super) fn is_sparse(&self) -> bool {
        self.sparse.is_some()
    }
}

/// An archive that is being read.
pub(super) struct Archive<R: Read> {
    data: Unpacked<R>,
    /// Bytes of the entry's content that are not taken yet, and of what fills its last block.
    content: u64,
    padding: u64,
    entries: u64,
    limits: Limits,
}

/// Which kinds have no content, whatever their size says.
fn is_header_only(kind: u8) -> bool {
    matches!(kind, b'1'..=b'6')
}

impl<R: Read> Archive<R> {
    pub(super) fn new(data: Unpacked<R>, limits: &Limits) -> Self {
        Self { data, content: 0, padding: 0, entries: 0, limits: *limits }
    }

    /// Why the layer as it is stored could not be read, if that was it.
    pub(super) fn failure(&mut self) -> Option<std::io::Error> {
        self.data.failure()
    }

    /// The next entry; `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        let mut pax = Pax::default();
        let (mut long_name, mut long_link) = (Vec::new(), Vec::new());
        loop {
            let Some(block) = self.block()? else { return Ok(None) };
            self.entries = self.entries.saturating_add(1);
            if self.entries > self.limits.entries {
                return Err(Stop::Entries(self.limits.entries));
            }
            let header = Header::read(&block)?;
            self.holds(if is_header_only(header.kind) { 0 } else { header.size });
            match header.kind {
                b'x' => pax = Pax::read(&self.front()?)?,
                // Records for all that follows: what extracts images heeds none, and forgets those in front.
                b'g' => {
                    self.front()?;
                    pax = Pax::default();
                    (long_name, long_link) = (Vec::new(), Vec::new());
                }
                b'L' => long_name = until_zero(self.front()?),
                b'K' => long_link = until_zero(self.front()?),
                _ => return self.entry(&block, header, pax, long_name, long_link).map(Some),
            }
        }
    }

    /// The entry of a header, with what the headers in front of it say.
    fn entry(
        &mut self,
        block: &Block,
        header: Header,
        pax: Pax,
        long_name: Vec<u8>,
        long_link: Vec<u8>,
    ) -> Result<Entry, Stop> {
        let one_of = |long: Vec<u8>, pax: Option<Vec<u8>>, own| if long.is_empty() { pax.unwrap_or(own) } else { long };
        let name = one_of(long_name, pax.path, header.name);
        let link = one_of(long_link, pax.link, header.link);
        let size = pax.size.unwrap_or(header.size);
        // In the oldest archives, directories are files whose name ends so.
        let kind = match header.kind {
            0 if name.ends_with(b"/") => b'5',
            0 => b'0',
            kind => kind,
        };
        let mut entry = Entry { kind, name, link, mode: header.mode, size, sparse: None };
        self.holds(if is_header_only(kind) { 0 } else { size });
        match pax.sparse {
            _ if kind == b'S' => {
                entry.kind = b'0';
                entry.size = header::sparse_size(block)?;
                entry.sparse = Some(Sparse::Pieces(self.old_pieces(block)?));
            }
            Some(_) if is_header_only(kind) => return Err(Stop::Sparse),
            Some(PaxSparse { name, size, pieces }) => {
                entry.name = name.unwrap_or(entry.name);
                entry.size = size.unwrap_or(entry.size);
                entry.sparse = Some(pieces.map_or(Sparse::InFront, Sparse::Pieces));
            }
            None => {}
        }
        Ok(entry)
    }

    /// Notes what content follows.
    fn holds(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK_BYTES as u64;
    }

    /// The next header's block; `None` at the end of the archive.
    fn block(&mut self) -> Result<Option<Block>, Stop> {
        let skipped = self.data.skip(self.content)?;
        if skipped < std::mem::take(&mut self.content) {
            return Err(Stop::Truncated);
        }
        if self.data.skip(self.padding)? < std::mem::take(&mut self.padding) {
            return Ok(None);
        }
        let Some(block) = self.one_block()? else { return Ok(None) };
        if block != [0; BLOCK_BYTES] {
            return Ok(Some(block));
        }
        // Two blocks of zeros end an archive; what is behind them is no part of it.
        match self.one_block()? {
            Some(block) if block != [0; BLOCK_BYTES] => Err(Stop::Header("its second block of zeros")),
            Some(_) | None => Ok(None),
        }
    }

    fn one_block(&mut self) -> Result<Option<Block>, Stop> {
        let mut block = [0; BLOCK_BYTES];
        let there = self.data.peek(BLOCK_BYTES)?;
        let Some(bytes) = there.get(..BLOCK_BYTES) else {
            return if there.is_empty() { Ok(None) } else { Err(Stop::Truncated) };
        };
        block.copy_from_slice(bytes);
        self.data.skip(BLOCK_BYTES as u64)?;
        Ok(Some(block))
    }

    /// The content of a header in front of an entry.
    fn front(&mut self) -> Result<Vec<u8>, Stop> {
        if self.content > MAX_FRONT_BYTES {
            return Err(Stop::Header("a header in front of an entry that is of a usual size"));
        }
        let mut content = Vec::new();
        self.take(self.content, &mut content)?;
        Ok(content)
    }

    /// Takes bytes of the entry's content.
    fn take(&mut self, bytes: u64, into: &mut Vec<u8>) -> Result<(), Stop> {
        let bytes_there = bytes.min(self.content);
        let taken = self.data.read(bytes_there, into)?;
        self.content = self.content.saturating_sub(taken);
        if taken < bytes { Err(Stop::Truncated) } else { Ok(()) }
    }

    /// The list of pieces in the oldest form: in the header, and in blocks behind it.
    fn old_pieces(&mut self, block: &Block) -> Result<Vec<(u64, u64)>, Stop> {
        let (mut pieces, mut goes_on) = header::sparse_pieces(block, true)?;
        while goes_on {
            let block = self.one_block()?.ok_or(Stop::Truncated)?;
            let (more, still) = header::sparse_pieces(&block, false)?;
            pieces.extend(more);
            if pieces.len() > MAX_PIECES {
                return Err(Stop::Sparse);
            }
            // An empty block that says it goes on would lead on and on.
            goes_on = still;
        }
        Ok(pieces)
    }

    /// The first bytes of the entry's content, without taking them. Not of a sparse file.
    pub(super) fn head(&mut self, bytes: usize) -> Result<&[u8], Stop> {
        let bytes = bytes.min(usize::try_from(self.content).unwrap_or(usize::MAX));
        let there = self.data.peek(bytes)?;
        Ok(there.get(..bytes).unwrap_or(there))
    }

    /// Reads the entry's whole content, holes and all, into an empty buffer. The caller has looked at its size.
    pub(super) fn content(&mut self, entry: &Entry, into: &mut Vec<u8>) -> Result<(), Stop> {
        let pieces = match &entry.sparse {
            None => return self.take(entry.size, into),
            Some(Sparse::Pieces(pieces)) => pieces,
            Some(Sparse::InFront) => &self.pieces_in_front()?,
        };
        for (offset, length) in pieces {
            let end = offset.checked_add(*length).ok_or(Stop::Sparse)?;
            let hole = offset.checked_sub(into.len() as u64).ok_or(Stop::Sparse)?;
            if end > entry.size {
                return Err(Stop::Sparse);
            }
            self.fill(hole, into)?;
            self.take(*length, into)?;
        }
        let hole = entry.size.checked_sub(into.len() as u64).ok_or(Stop::Sparse)?;
        self.fill(hole, into)
    }

    /// A hole costs no byte of the layer: it counts as what was unpacked.
    fn fill(&mut self, hole: u64, into: &mut Vec<u8>) -> Result<(), Stop> {
        self.data.charge(hole)?;
        let length = (into.len() as u64).saturating_add(hole);
        into.resize(usize::try_from(length).map_err(|_| Stop::Sparse)?, 0);
        Ok(())
    }

    /// The list of pieces in the newest form: lines of digits in whole blocks, the first the number of pieces.
    fn pieces_in_front(&mut self) -> Result<Vec<(u64, u64)>, Stop> {
        let mut text = Vec::new();
        let mut lines = 0;
        let mut wanted = 1;
        while lines < wanted {
            let from = text.len();
            self.take(BLOCK_BYTES as u64, &mut text)?;
            lines += text.iter().skip(from).filter(|byte| **byte == b'\n').count();
            if wanted == 1 && lines > 0 {
                let count = text.split(|byte| *byte == b'\n').next().and_then(decimal).ok_or(Stop::Sparse)?;
                let count = usize::try_from(count).ok().filter(|count| *count <= MAX_PIECES).ok_or(Stop::Sparse)?;
                wanted = count.saturating_mul(2).saturating_add(1);
            }
            if text.len() as u64 > 4 * MAX_FRONT_BYTES {
                return Err(Stop::Sparse);
            }
        }
        let mut numbers = text.split(|byte| *byte == b'\n').skip(1).take(wanted.saturating_sub(1));
        let mut pieces = Vec::new();
        while let (Some(offset), Some(length)) = (numbers.next(), numbers.next()) {
            pieces.push(decimal(offset).zip(decimal(length)).ok_or(Stop::Sparse)?);
        }
        Ok(pieces)
    }
}

/// What of a long name is in front of its first zero.
fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}
