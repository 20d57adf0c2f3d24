//! What a child is fed: the limits, the layer in frames, and the layer once more where it asks for that.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use scan::limits::Limits;

use crate::failure::Failure;
use crate::wire::{FRAME_BYTES, frame_head, limits_frame};

/// Bytes of the length in front of a frame.
const HEAD_BYTES: usize = 4;

/// Bytes that are worth a frame: a reader may give few at a time.
const LEAST_BYTES: usize = 64 << 10;

/// What is left to be fed.
pub(super) struct Feed<O, R> {
    open: O,
    state: State<R>,
    /// The frame that is being sent, from where it is still to be sent to its end.
    frame: Vec<u8>,
    at: usize,
    end: usize,
    reading: Duration,
}

enum State<R> {
    /// The layer is still to be opened.
    Closed,
    Open(R),
    /// The layer that was being sent is cut off, and comes once more.
    Cut,
    /// The layer's end was sent.
    Done,
}

impl<R: Read, O: FnMut() -> io::Result<R>> Feed<O, R> {
    pub(super) fn new(open: O, limits: &Limits) -> Self {
        let mut frame = limits_frame(limits);
        let end = frame.len();
        frame.resize(HEAD_BYTES.saturating_add(FRAME_BYTES), 0);
        Self { open, state: State::Closed, frame, at: 0, end, reading: Duration::ZERO }
    }

    /// How long the layer's reader has taken.
    pub(super) fn reading(&self) -> Duration {
        self.reading
    }

    pub(super) fn has_more(&self) -> bool {
        self.at < self.end || !matches!(self.state, State::Done)
    }

    /// Nothing more is taken.
    pub(super) fn stop(&mut self) {
        self.state = State::Done;
        self.at = self.end;
    }

    /// The layer is to come once more, after its end.
    pub(super) fn begin_again(&mut self) {
        self.state = match self.state {
            State::Done => State::Closed,
            State::Closed | State::Open(_) | State::Cut => State::Cut,
        };
    }

    /// Gives of one frame what the child takes at once; whether it takes more at all.
    pub(super) fn give(&mut self, to: &mut impl Write) -> Result<bool, Failure> {
        if self.at == self.end && self.has_more() {
            self.fill().map_err(Failure::Input)?;
        }
        while self.at < self.end {
            match to.write(self.frame.get(self.at..self.end).unwrap_or_default()) {
                Ok(count) => self.at = self.at.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                // It has read what it wants, or has ended: what it says then counts.
                Err(_) => {
                    self.stop();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Makes the next frame.
    fn fill(&mut self) -> io::Result<()> {
        let began = Instant::now();
        let made = self.next_frame();
        self.reading = self.reading.saturating_add(began.elapsed());
        made
    }

    fn next_frame(&mut self) -> io::Result<()> {
        if matches!(self.state, State::Closed) {
            self.state = State::Open((self.open)()?);
        }
        let content = self.frame.get_mut(HEAD_BYTES..).unwrap_or_default();
        let count = match &mut self.state {
            State::Open(layer) => read(layer, content)?,
            State::Closed | State::Cut | State::Done => 0,
        };
        (self.at, self.end) = (0, HEAD_BYTES.saturating_add(count));
        for (to, from) in self.frame.iter_mut().zip(frame_head(count)) {
            *to = from;
        }
        if count == 0 {
            self.state = if matches!(self.state, State::Cut) { State::Closed } else { State::Done };
        }
        Ok(())
    }
}

/// Reads until there is enough, or nothing more; how much it was.
fn read(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < LEAST_BYTES.min(into.len()) {
        match from.read(into.get_mut(count..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => count = count.saturating_add(more),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at once, and then none until it is asked again.
    struct Slow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn all_of(feed: &mut Feed<impl FnMut() -> io::Result<&'static [u8]>, &'static [u8]>, to: &mut Slow) {
        while feed.has_more() {
            to.room = 3;
            assert!(feed.give(to).expect("a reader of memory"));
        }
    }

    #[test]
    fn a_layer_is_cut_where_it_comes_once_more() {
        let limits = Limits::default();
        let once = [&frame_head(5)[..], b"layer", &frame_head(0)].concat();
        let mut feed = Feed::new(|| Ok(&b"layer"[..]), &limits);
        let mut to = Slow { taken: Vec::new(), room: 0 };
        all_of(&mut feed, &mut to);
        feed.begin_again();
        all_of(&mut feed, &mut to);
        assert_eq!(to.taken, [&limits_frame(&limits)[..], &once, &once].concat());

        let mut feed = Feed::new(|| Ok(&b"layer"[..]), &limits);
        let mut to = Slow { taken: Vec::new(), room: limits_frame(&limits).len() + 6 };
        for _ in 0..2 {
            assert!(feed.give(&mut to).expect("a reader of memory"));
        }
        feed.begin_again();
        all_of(&mut feed, &mut to);
        assert_eq!(to.taken, [&limits_frame(&limits)[..], &once, &once].concat());
    }

    #[test]
    fn what_takes_nothing_more_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut feed = Feed::new(|| Ok(io::repeat(0)), &Limits::default());
        assert!(!feed.give(&mut Closed).expect("no failure of the reader"));
        assert!(!feed.has_more());
    }
}
