//! HTTP/2 as it comes from a client, followed for two things that h2 does not see to. A request's head may come in many
//! frames (HEADERS and CONTINUATION), which nobody sees before the last of them: what heads that have begun hold together is
//! limited, and a head that has begun is whole in time, as `strict_lines` has it for HTTP/1. And h2 opens all streams that
//! have come before it tells of the first: the connection is weighed (`connection_weight`) before that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection_weight::Http2Weight;
use super::head_watch::HeadWatch;
use super::layered::{Layer, Layered};
use crate::Runtime;

/// What a client begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// See the module.
pub type HeaderBlocks<S> = Layered<S, FollowedBlocks>;

/// What is known of the heads of a connection of HTTP/2.
pub struct FollowedBlocks {
    frames: Frames,
    watch: HeadWatch,
    weight: Http2Weight,
}

impl<S> Layered<S, FollowedBlocks> {
    /// Wraps a stream of this server.
    pub fn new(stream: S, app: Arc<Runtime>, weight: Http2Weight) -> Self {
        Self { stream, layer: FollowedBlocks { frames: Frames::default(), watch: HeadWatch::new(app), weight } }
    }
}

/// Follows the frames of one connection.
struct Frames {
    preface_left: usize,
    header: [u8; FRAME_HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
    /// Bytes of the block so far, while it is not whole.
    block_bytes: u64,
    is_in_block: bool,
    /// Whether the frame that is coming ends its block.
    is_last: bool,
    /// The last stream that was opened, and how many were.
    last_stream: u32,
    opened: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            header: [0; FRAME_HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            block_bytes: 0,
            is_in_block: false,
            is_last: false,
            last_stream: 0,
            opened: 0,
        }
    }
}

impl Frames {
    /// Goes through what has come.
    fn follow(&mut self, mut bytes: &[u8]) {
        let skipped = self.preface_left.min(bytes.len());
        self.preface_left -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let taken = self.payload_left.min(bytes.len());
                self.payload_left -= taken;
                bytes = &bytes[taken..];
                self.note_payload(taken);
                continue;
            }
            let taken = (FRAME_HEADER_BYTES - self.header_bytes).min(bytes.len());
            self.header[self.header_bytes..self.header_bytes + taken].copy_from_slice(&bytes[..taken]);
            self.header_bytes += taken;
            bytes = &bytes[taken..];
            if self.header_bytes == FRAME_HEADER_BYTES {
                self.header_bytes = 0;
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.payload_left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.is_in_block = true;
            self.is_last = flags & END_HEADERS != 0;
            // Further ones of a stream are its trailers.
            let stream = u32::from_be_bytes(stream);
            if stream > self.last_stream {
                self.last_stream = stream;
                self.opened += 1;
            }
        }
        self.note_payload(0);
    }

    fn note_payload(&mut self, bytes: usize) {
        if !self.is_in_block {
            return;
        }
        self.block_bytes += bytes as u64;
        if self.is_last && self.payload_left == 0 {
            (self.is_in_block, self.is_last, self.block_bytes) = (false, false, 0);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for FollowedBlocks {
    fn poll_read(&mut self, stream: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(stream).poll_read(cx, buf);
        if read.is_ready() {
            self.frames.follow(&buf.filled()[before..]);
            if !self.weight.opened(self.frames.opened) {
                return Poll::Ready(Err(io::Error::other("connections hold too much memory together")));
            }
        }
        let begun = self.frames.is_in_block.then_some(self.frames.block_bytes);
        match self.watch.check(cx, begun, read.is_pending()) {
            Ok(()) => read,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., high, middle, low] = length.to_be_bytes();
        [vec![high, middle, low, kind, flags, 0, 0, 0, 1], vec![7; length]].concat()
    }

    /// Bytes of a block that is not whole, after all of this in parts of every length.
    fn held(frames: &[Vec<u8>]) -> u64 {
        let whole = [vec![b'P'; PREFACE_BYTES], frames.concat()].concat();
        let counts: Vec<u64> = (1..=whole.len())
            .map(|part| {
                let mut followed = Frames::default();
                whole.chunks(part).for_each(|bytes| followed.follow(bytes));
                assert_eq!(followed.is_in_block, followed.block_bytes > 0);
                followed.block_bytes
            })
            .collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        counts[0]
    }

    #[test]
    fn streams_count_once() {
        let of = |stream: u8, flags: u8| {
            let mut frame = frame(HEADERS, flags, 5);
            frame[8] = stream;
            frame
        };
        let mut followed = Frames::default();
        followed.follow(&[b'P'; PREFACE_BYTES]);
        for (frame, opened) in
            [(of(1, 4), 1), (of(3, 0), 2), (frame(CONTINUATION, 4, 3), 2), (of(3, 4), 2), (of(9, 4), 3)]
        {
            followed.follow(&frame);
            assert_eq!(followed.opened, opened);
        }
    }

    #[test]
    fn blocks_count_until_they_are_whole() {
        let data = || frame(0, 0, 50);
        for (name, frames, expected) in [
            ("one frame", vec![frame(HEADERS, END_HEADERS, 30), data()], 0),
            ("not whole", vec![data(), frame(HEADERS, 0, 30)], 30),
            ("two of three", vec![frame(HEADERS, 0, 30), frame(CONTINUATION, 0, 40)], 70),
            ("three", vec![frame(HEADERS, 0, 30), frame(CONTINUATION, 0, 40), frame(CONTINUATION, END_HEADERS, 9)], 0),
            ("an empty end", vec![frame(HEADERS, 0, 30), frame(CONTINUATION, END_HEADERS, 0)], 0),
            ("the next one", vec![frame(HEADERS, END_HEADERS, 30), frame(HEADERS, 0, 5)], 5),
            ("data alone", vec![data(), frame(4, 0, 6)], 0),
        ] {
            assert_eq!(held(&frames), expected, "{name}");
        }
    }
}
