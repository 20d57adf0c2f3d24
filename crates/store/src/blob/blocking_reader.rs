//! The content of an object from its start to its end, for whoever reads it on a thread that may wait, as programs read files.

use std::io::{self, Read};

use bytes::Bytes;

use super::decompress::Decompression;
use super::reader::{BlobReader, Content, Cursor};
use crate::error::StoreError;

/// Reads the whole content of an object, every byte of a sealed one authenticated. Blocks: never for an async worker thread.
///
/// What is wrong with the object comes as an [`io::Error`] around a [`StoreError`], and again with each read after that:
/// nothing that follows damage is taken for content.
pub struct BlockingReader {
    state: State,
    /// What was read and not taken.
    chunk: Bytes,
}

enum State {
    Unread(BlobReader),
    Plain(Cursor),
    Compressed(Box<Decompression>),
    Failed(StoreError),
}

impl BlockingReader {
    pub(super) const fn new(reader: BlobReader) -> Self {
        Self { state: State::Unread(reader), chunk: Bytes::new() }
    }

    /// The next bytes, which may be none; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let State::Unread(reader) = &self.state {
            self.state = match reader.content() {
                Ok(Content::Plain(cursor)) => State::Plain(cursor),
                Ok(Content::Compressed(content)) => State::Compressed(content),
                Err(error) => State::Failed(error),
            };
        }
        let next = match &mut self.state {
            State::Plain(cursor) => cursor.next(),
            State::Compressed(content) if content.is_at_end() => Ok(None),
            State::Compressed(content) => content.next_chunk().map(Some),
            State::Failed(error) => return Err(error.repeated()),
            // It was begun above.
            State::Unread(_) => Ok(None),
        };
        if let Err(error) = &next {
            self.state = State::Failed(error.repeated());
        }
        next
    }
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !buffer.is_empty() {
            match self.next().map_err(io::Error::other)? {
                Some(bytes) => self.chunk = bytes,
                None => return Ok(0),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
