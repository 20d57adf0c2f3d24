//! HTTP/1 as it comes from a client, with three things that hyper does not see to: lines end with CRLF and nothing else,
//! a body's length is said in one way that everybody knows, and a head that has begun is whole in time.
//!
//! A proxy before Wharf may take a bare LF for a part of a header and Wharf take it for the end of one, so one of them
//! would see a request that the other does not (RFC 9112, 11.2). For this the messages are followed from head to body to
//! the next head. A bare LF in a head is replaced with a byte that can be nowhere in one, so that hyper answers with 400. In
//! the line of a chunk hyper lets that byte pass, so there, and wherever else it cannot be told what hyper will make of a
//! message, the connection ends: nothing is read on that is not followed.
//!
//! Of a body in several codings hyper takes off the last alone, and where there is a length besides it takes none of it: a
//! proxy that did otherwise would see other messages. So `chunked` is all that `Transfer-Encoding` may say, once, and with
//! no `Content-Length` beside it (RFC 9112, 6.1 and 6.3); else the last byte of that line is replaced in the same way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head_watch::HeadWatch;
use super::layered::{Layer, Layered};
use crate::Runtime;

/// Stands for a bare LF: no head, and no trailer, may hold it.
const POISON: u8 = 0;
/// So much of a line is looked at: what says how long a body or a chunk is, is short, and refused where it is not.
const MAX_LINE: usize = 256;

/// See the module.
pub type StrictLines<S> = Layered<S, FollowedLines>;

/// What is known of the messages of a connection of HTTP/1.
pub struct FollowedLines {
    lines: Lines,
    watch: HeadWatch,
    /// Whether something came that cannot be followed: what was clear before it is answered, and then the connection ends.
    is_unclear: bool,
}

impl<S> Layered<S, FollowedLines> {
    /// Wraps a stream of this server.
    pub fn new(stream: S, app: Arc<Runtime>) -> Self {
        Self { stream, layer: FollowedLines { lines: Lines::default(), watch: HeadWatch::new(app), is_unclear: false } }
    }
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A line of a head, or of the trailers of a body.
    Head,
    /// So many bytes of a body, or of a chunk and its CRLF.
    Bytes {
        left: u64,
        is_chunk: bool,
    },
    /// The line that says how long a chunk is.
    ChunkSize,
    Trailers,
    /// hyper refuses what comes, or there is nothing more to follow.
    Unknown,
}

/// From here on it cannot be told what is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unfollowed {
    /// How many of the bytes are still clear.
    clear: usize,
}

/// Follows the messages of one connection.
struct Lines {
    part: Part,
    line: Vec<u8>,
    /// Whether the line is longer than what is kept of it.
    is_cut: bool,
    /// Whether the last byte of the line was CR, whatever of the line is kept.
    ends_with_cr: bool,
    /// Bytes of the head so far; none before its first.
    head_bytes: u64,
    content_length: Option<u64>,
    is_chunked: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            part: Part::Head,
            line: Vec::new(),
            is_cut: false,
            ends_with_cr: false,
            head_bytes: 0,
            content_length: None,
            is_chunked: false,
        }
    }
}

/// What a line of a message comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Good,
    /// hyper would take it, and must not.
    Refused,
}

impl Lines {
    /// Whether a head has begun and is not whole.
    const fn is_in_head(&self) -> bool {
        self.head_bytes > 0 && matches!(self.part, Part::Head)
    }

    /// Goes through what has come. Fails where it cannot be told any more what is what.
    fn follow(&mut self, mut bytes: &mut [u8]) -> Result<(), Unfollowed> {
        let all = bytes.len();
        while !bytes.is_empty() {
            match self.part {
                Part::Unknown => return Err(Unfollowed { clear: all - bytes.len() }),
                Part::Bytes { left, is_chunk } => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &mut bytes[taken..];
                    self.part = match left - taken as u64 {
                        0 if is_chunk => Part::ChunkSize,
                        0 => Part::Head,
                        left => Part::Bytes { left, is_chunk },
                    };
                }
                Part::Head | Part::ChunkSize | Part::Trailers => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let text = &bytes[..end.unwrap_or(bytes.len())];
                    let room = MAX_LINE.saturating_sub(self.line.len()).min(text.len());
                    self.line.extend_from_slice(&text[..room]);
                    self.is_cut |= room < text.len();
                    if let Some(last) = text.last() {
                        self.ends_with_cr = *last == b'\r';
                        // An empty line before a request line is no beginning (RFC 9112, 2.2).
                        if self.head_bytes > 0 || self.line != b"\r" {
                            self.head_bytes += text.len() as u64;
                        }
                    }
                    let Some(end) = end else { return Ok(()) };
                    let unfollowed = Unfollowed { clear: all - bytes.len() + end };
                    if !self.ends_with_cr {
                        let is_chunk_size = self.part == Part::ChunkSize;
                        self.part = Part::Unknown;
                        if is_chunk_size {
                            return Err(unfollowed);
                        }
                        // hyper ends at this byte, and looks at nothing behind it.
                        bytes[end] = POISON;
                        return Ok(());
                    }
                    if self.end_line() == Line::Refused {
                        self.part = Part::Unknown;
                        // Before the end of the line, as hyper looks at a head when it has seen its end.
                        bytes[end.saturating_sub(2)] = POISON;
                        return Ok(());
                    }
                    if self.part == Part::Unknown {
                        return Err(unfollowed);
                    }
                    bytes = &mut bytes[end + 1..];
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\r").unwrap_or(&line);
        let is_empty = text.is_empty();
        let mut line_is = Line::Good;
        match self.part {
            Part::Head if is_empty => self.end_head(),
            Part::Head => line_is = self.note_header(text),
            Part::ChunkSize if self.is_cut => self.part = Part::Unknown,
            Part::ChunkSize => self.part = chunk_after(text),
            Part::Trailers if is_empty => self.expect_head(),
            Part::Trailers | Part::Bytes { .. } | Part::Unknown => {}
        }
        line.clear();
        self.line = line;
        (self.is_cut, self.ends_with_cr) = (false, false);
        line_is
    }

    fn note_header(&mut self, line: &[u8]) -> Line {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Line::Good };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_framing =
            [&b"content-length"[..], b"transfer-encoding"].iter().any(|one| name.eq_ignore_ascii_case(one));
        if is_framing && self.is_cut {
            self.part = Part::Unknown;
            return Line::Good;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            // What is no number, or is said in two ways, hyper refuses.
            let first = value.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            let length = std::str::from_utf8(first).ok().and_then(|text| text.parse().ok());
            self.content_length = Some(length.unwrap_or(0));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Line::Refused;
            }
            self.is_chunked = true;
        }
        if self.is_chunked && self.content_length.is_some() { Line::Refused } else { Line::Good }
    }

    fn end_head(&mut self) {
        let (length, is_chunked) = (self.content_length.unwrap_or(0), self.is_chunked);
        self.expect_head();
        if is_chunked {
            self.part = Part::ChunkSize;
        } else if length > 0 {
            self.part = Part::Bytes { left: length, is_chunk: false };
        }
    }

    fn expect_head(&mut self) {
        self.part = Part::Head;
        self.head_bytes = 0;
        (self.content_length, self.is_chunked) = (None, false);
    }
}

/// What follows the line that says how long a chunk is.
fn chunk_after(line: &[u8]) -> Part {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(size).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    match size {
        Some(0) => Part::Trailers,
        // With the CRLF after it, which hyper looks at.
        Some(bytes) => bytes.checked_add(2).map_or(Part::Unknown, |left| Part::Bytes { left, is_chunk: true }),
        None => Part::Unknown,
    }
}

fn unclear() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the framing of a message is not clear")
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for FollowedLines {
    fn poll_read(&mut self, stream: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_unclear {
            return Poll::Ready(Err(unclear()));
        }
        let before = buf.filled().len();
        let read = Pin::new(stream).poll_read(cx, buf);
        if read.is_ready()
            && let Err(Unfollowed { clear }) = self.lines.follow(&mut buf.filled_mut()[before..])
        {
            self.is_unclear = true;
            buf.set_filled(before + clear);
            return Poll::Ready(if clear == 0 { Err(unclear()) } else { Ok(()) });
        }
        let begun = self.lines.is_in_head().then_some(self.lines.head_bytes);
        match self.watch.check(cx, begun, read.is_pending()) {
            Ok(()) => read,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// What hyper gets to see, if the bytes come in two parts, and whether they could be followed.
    fn seen(text: &[u8], cut: usize) -> (Vec<u8>, Lines, bool) {
        let (mut bytes, mut lines) = (text.to_vec(), Lines::default());
        let (first, second) = bytes.split_at_mut(cut);
        let followed = lines.follow(first).and_then(|()| lines.follow(second));
        (bytes, lines, followed.is_ok())
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        let cases = [
            GET.repeat(3),
            format!("\r\n{GET}"),
            format!("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\nb\n{GET}"),
            format!("POST / HTTP/1.1\r\ncontent-length:4, 4\r\n\r\na\nb\n{GET}"),
            format!("POST / HTTP/1.1\r\nTransfer-Encoding:\tChunked \r\n\r\n3;x=y\r\na\nb\r\n0\r\nT: x\r\n\r\n{GET}"),
            format!("GET /{} HTTP/1.1\r\nContent-Length: 1\r\n\r\n\n{GET}", "a".repeat(1000)),
        ];
        for text in cases {
            for cut in 0..=text.len() {
                let (bytes, lines, is_followed) = seen(text.as_bytes(), cut);
                assert!(bytes == text.as_bytes() && is_followed, "{text:?} cut at {cut}");
                assert_eq!((lines.part, lines.head_bytes), (Part::Head, 0), "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_bare_line_feed_becomes_what_hyper_refuses() {
        let cases = [
            "GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(),
            format!("GET /{} HTTP/1.1\nHost: a\r\n\r\n", "\r".repeat(MAX_LINE)).replace("\r\n", "a\n"),
            format!("{GET}\n{GET}"),
            format!("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\nGET / HTTP/1.1\n{GET}"),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: x\n\r\n".to_owned(),
        ];
        for text in cases {
            for cut in 0..=text.len() {
                let (bytes, lines, is_followed) = seen(text.as_bytes(), cut);
                assert!(
                    (bytes.contains(&POISON) || !is_followed) && lines.part == Part::Unknown,
                    "{text:?} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_length_is_said_in_one_way() {
        let post = |headers: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{GET}");
        let encoding = "Transfer-Encoding: chunked";
        let mut cases: Vec<String> = ["gzip, chunked", "chunked, chunked", "gzip", "identity", "chunked, identity", ""]
            .iter()
            .chain(&["chunked,", ",chunked", "chunked;q=1", "\"chunked\"", "xchunked", "chunked gzip", "\u{b}chunked"])
            .map(|codings| post(&format!("transfer-encoding: {codings}")))
            .collect();
        for other in
            [encoding, "Transfer-Encoding: gzip", "Content-Length: 3", "Content-Length: 0", "content-length: x"]
        {
            cases.extend([post(&format!("{encoding}\r\n{other}")), post(&format!("{other}\r\nX: y\r\n{encoding}"))]);
        }
        for text in cases {
            for cut in 0..=text.len() {
                let (bytes, lines, _) = seen(text.as_bytes(), cut);
                let at = bytes.iter().position(|byte| *byte == POISON);
                let is_in_line = at.is_some_and(|at| {
                    // hyper is to see the end of the head, or it waits for it; what was handed on before stays as it was.
                    bytes[at + 1..].starts_with(b"\r\n")
                        || (cut > 0 && (bytes[at - 1] == b'\r' || bytes[at + 1] == b'\n'))
                });
                assert!(lines.part == Part::Unknown && is_in_line, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_says_how_long_a_message_is_must_be_clear() {
        let (spaces, zeros) = (" ".repeat(300), "0".repeat(300));
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for text in [
            format!("{chunked}2;\nxx\r\nab\r\n0\r\n\r\n"),
            format!("{chunked}{zeros}2\r\nab\r\n0\r\n\r\n"),
            format!("{chunked}2;{spaces}\r\nab\r\n0\r\n\r\n"),
            format!("{chunked}zz\r\nab\r\n0\r\n\r\n"),
            format!("POST / HTTP/1.1\r\nContent-Length:{spaces}2\r\n\r\nab"),
            format!("POST / HTTP/1.1\r\nContent-Length: {zeros}2\r\n\r\nab"),
            format!("POST / HTTP/1.1\r\nTransfer-Encoding:{spaces}chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        ] {
            for cut in 0..=text.len() {
                let (bytes, lines, is_followed) = seen(text.as_bytes(), cut);
                assert!(!is_followed && lines.part == Part::Unknown, "{text:?} cut at {cut}");
                assert!(bytes == text.as_bytes(), "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_head_that_has_begun_is_known() {
        for (text, expected) in [("", false), ("\r\n", false), ("G", true), ("GET / HTTP/1.1\r\n", true), (GET, false)]
        {
            assert_eq!(seen(text.as_bytes(), 0).1.is_in_head(), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_parts(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let (whole, parts) = (seen(&bytes, 0), seen(&bytes, cut));
            prop_assert!(whole.1.part == parts.1.part && (whole.0 == parts.0 || whole.1.part == Part::Unknown));
        }
    }
}
