//! JSON as a stream: the values of a text one after another, and the parts of one large value, each as its bytes.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use serde::Deserialize;

use super::{
    Import,
    reckoning::{Reckoning, Weights},
};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// One part of a large value.
pub enum Part<'a> {
    /// A member of the object on top, with its name.
    Member(&'a str, &'a [u8]),
    /// An element of the array that was asked for, or of the array on top.
    Element(&'a [u8]),
}

/// Reads what the bytes are, saying in words what is wrong.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Reads values that follow one another: one record, or one record a line.
pub fn values(
    import: &mut Import<'_>,
    input: &mut dyn Read,
    weights: Weights,
    mut read: impl FnMut(&mut Import<'_>, &[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut scanner = Scanner::new(input, weights);
    // Lists around the values: one that is still open at the end has lost some.
    let mut open = 0_usize;
    loop {
        match scanner.skip_space() {
            Ok(None) if open > 0 => return import.report.end("it breaks off"),
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(sign @ (b',' | b'[' | b']'))) => {
                scanner.at += 1;
                match sign {
                    b'[' => open = open.saturating_add(1),
                    b']' => open = open.saturating_sub(1),
                    _ => {}
                }
            }
            Ok(Some(_)) => {
                let Some(value) = scanner.value(import)? else { continue };
                read(import, &value)?;
            }
            Err(error) => return import.report.end(error),
        }
    }
}

/// Reads one large value: the members of an object, or the elements of an array. The array that is the member `opened` of the
/// object is given element by element.
pub fn parts(
    import: &mut Import<'_>,
    input: &mut dyn Read,
    opened: &str,
    mut read: impl FnMut(&mut Import<'_>, Part<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut scanner = Scanner::new(input, Weights::OF_VALUES);
    match scanner.next_sign(import)? {
        b'[' => scanner.elements(import, &mut read),
        b'{' => loop {
            let Some(name) = scanner.name(import)? else { return ControlFlow::Continue(()) };
            let is_opened = name == opened && matches!(scanner.skip_space(), Ok(Some(b'[')));
            if is_opened {
                scanner.at += 1;
                scanner.elements(import, &mut read)?;
            } else if let Some(value) = scanner.value(import)? {
                read(import, Part::Member(&name, &value))?;
            }
        },
        _ => import.report.end("it is no JSON"),
    }
}

/// Reads an object of objects: each member of the inner ones, with the name of the object and its own. However many there are, one
/// is in memory at a time.
pub fn members(
    import: &mut Import<'_>,
    input: &mut dyn Read,
    mut read: impl FnMut(&mut Import<'_>, &str, &str, &[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut scanner = Scanner::new(input, Weights::OF_VALUES);
    if scanner.next_sign(import)? != b'{' {
        return import.report.end("it is no JSON");
    }
    while let Some(outer) = scanner.name(import)? {
        if scanner.next_sign(import)? != b'{' {
            scanner.at -= 1;
            if scanner.value(import)?.is_some() {
                import.report.broken(&outer, "it is no object");
            }
            continue;
        }
        while let Some(name) = scanner.name(import)? {
            if let Some(value) = scanner.value(import)? {
                read(import, &outer, &name, &value)?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// Finds where values end, without reading what they say.
struct Scanner<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// Where in the buffer the next byte is.
    at: usize,
    is_at_end: bool,
    weights: Weights,
}

impl<'a> Scanner<'a> {
    fn new(input: &'a mut dyn Read, weights: Weights) -> Self {
        Self { input, buffer: Vec::new(), at: 0, is_at_end: false, weights }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.at >= self.buffer.len() && !self.is_at_end {
            self.buffer.resize(CHUNK, 0);
            self.at = 0;
            match self.input.read(&mut self.buffer) {
                Ok(read) => {
                    self.buffer.truncate(read);
                    self.is_at_end = read == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.buffer.clear(),
                Err(error) => {
                    self.buffer.clear();
                    return Err(error);
                }
            }
        }
        Ok(self.buffer.get(self.at).copied())
    }

    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.peek()? {
                // A mark of the order of bytes stands in front of some files.
                Some(b' ' | b'\t' | b'\r' | b'\n' | 0xEF | 0xBB | 0xBF) => self.at += 1,
                other => return Ok(other),
            }
        }
    }

    /// The next byte that is no space; the end ends the reading.
    fn next_sign(&mut self, import: &mut Import<'_>) -> ControlFlow<(), u8> {
        match self.skip_space() {
            Ok(Some(byte)) => {
                self.at += 1;
                ControlFlow::Continue(byte)
            }
            Ok(None) => ended(import, "it breaks off"),
            Err(error) => ended(import, error),
        }
    }

    /// The name of an object's next member, with what is between them; `None` at the object's end.
    fn name(&mut self, import: &mut Import<'_>) -> ControlFlow<(), Option<String>> {
        loop {
            match self.next_sign(import)? {
                b'}' => return ControlFlow::Continue(None),
                b',' => {}
                b'"' => break,
                _ => return ended(import, "it is no JSON"),
            }
        }
        self.at -= 1;
        let Some(name) = self.value(import)? else { return ended(import, "a name is too long") };
        let Ok(name) = parse::<String>(&name) else { return ended(import, "it is no JSON") };
        match self.next_sign(import)? {
            b':' => ControlFlow::Continue(Some(name)),
            _ => ended(import, "it is no JSON"),
        }
    }

    fn elements(
        &mut self,
        import: &mut Import<'_>,
        read: &mut impl FnMut(&mut Import<'_>, Part<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        loop {
            match self.next_sign(import)? {
                b']' => return ControlFlow::Continue(()),
                b',' => {}
                _ => {
                    self.at -= 1;
                    if let Some(value) = self.value(import)? {
                        read(import, Part::Element(&value))?;
                    }
                }
            }
        }
    }

    /// The bytes of the next value, with one blank where there are several; `None` for one that is too large or too deep, which
    /// is counted and left behind.
    fn value(&mut self, import: &mut Import<'_>) -> ControlFlow<(), Option<Vec<u8>>> {
        if let Err(error) = self.skip_space() {
            return ended(import, error);
        }
        let (most_bytes, most_memory) = (import.limits.record_bytes, import.limits.record_memory);
        let mut value = Vec::new();
        let mut length = 0_usize;
        let mut reckoning = Reckoning::new(self.weights);
        let (mut depth, mut deepest) = (0_usize, 0_usize);
        let (mut is_text, mut is_escaped) = (false, false);
        let (mut is_cut, mut last, mut last_sign) = (false, 0_u8, 0_u8);
        loop {
            let byte = match self.peek() {
                Ok(Some(byte)) => byte,
                Ok(None) if depth == 0 && !is_text && length > 0 => break,
                Ok(None) => return ended(import, "it breaks off"),
                Err(error) => return ended(import, error),
            };
            if !is_text && depth == 0 && length > 0 && is_end(byte) {
                break;
            }
            // A line that breaks off must not take the records of the lines below with it.
            let is_torn_text = is_text && byte == b'\n';
            let is_torn_line = byte == b'{' && last == b'\n' && depth > 0 && !b",[:".contains(&last_sign);
            if is_torn_text || is_torn_line {
                is_cut = true;
                break;
            }
            self.at += 1;
            length += 1;
            let is_kept = is_text || !(byte.is_ascii_whitespace() && last.is_ascii_whitespace());
            if is_kept {
                reckoning.letter();
            }
            last = byte;
            if !byte.is_ascii_whitespace() {
                last_sign = byte;
            }
            if length > most_bytes || reckoning.bytes > most_memory {
                value = Vec::new();
            } else if is_kept {
                value.push(byte);
            }
            if is_text {
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' => is_escaped = true,
                    b'"' => is_text = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => is_text = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                reckoning.sign_of_json(byte);
                deepest = deepest.max(depth);
            }
            if !is_text && depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        if length > most_bytes {
            import.report.broken("a record", format_args!("it has {length} bytes"));
            return ControlFlow::Continue(None);
        }
        if reckoning.bytes > most_memory {
            let why = format_args!("it has {length} bytes, and takes more than {most_memory} of memory");
            import.report.broken("a record", why);
            return ControlFlow::Continue(None);
        }
        let why = if is_cut { "it breaks off" } else { "it is too deep" };
        if is_cut || deepest > import.limits.depth {
            import.report.broken(&String::from_utf8_lossy(value.get(..80).unwrap_or(&value)), why);
            return ControlFlow::Continue(None);
        }
        ControlFlow::Continue(Some(value))
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b']' | b'}' | b'{' | b'[' | b'"')
}

fn ended<T>(import: &mut Import<'_>, why: impl std::fmt::Display) -> ControlFlow<(), T> {
    let _ = import.report.end(why);
    ControlFlow::Break(())
}
