//! XML as a stream: the elements of one name out of a large document, each as its text.

use std::{
    io::{BufReader, Read},
    ops::ControlFlow,
};

use super::{
    FeedLimits, Import,
    reckoning::{Reckoning, Weights},
};

/// Gives each element of this name, with all that is in it.
pub fn elements(
    import: &mut Import<'_>,
    input: &mut dyn Read,
    name: &str,
    mut read: impl FnMut(&mut Import<'_>, &str) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut finder = Finder {
        tag: Vec::new(),
        quote: None,
        element: None,
        reckoning: Reckoning::new(Weights::OF_XML),
        depth: 0,
        is_too_large: false,
    };
    let mut is_in_tag = false;
    // Elements that are open, the one that is read among them: a document ends with none.
    let (mut open, mut opened) = (0_usize, 0_usize);
    for byte in BufReader::with_capacity(64 << 10, input).bytes() {
        let byte = match byte {
            Ok(byte) => byte,
            Err(error) => return import.report.end(error),
        };
        if byte == b'<' && !is_in_tag {
            is_in_tag = true;
        }
        finder.push(byte, import.limits);
        if !is_in_tag {
            continue;
        }
        if finder.tag.len() >= import.limits.record_bytes {
            return import.report.end("a tag is too large");
        }
        finder.push_tag(byte);
        if byte == b'>' && finder.tag_is_whole() {
            is_in_tag = false;
            match finder.tag.as_slice() {
                [b'<', b'!' | b'?', ..] | [.., b'/', b'>'] => {}
                [b'<', b'/', ..] => open = open.saturating_sub(1),
                _ => (open, opened) = (open.saturating_add(1), opened.saturating_add(1)),
            }
            match finder.end_tag(name) {
                Tag::EndsElement(element) => element_of(import, element, name, &mut read)?,
                Tag::Other => {}
            }
            finder.tag.clear();
            finder.quote = None;
        }
    }
    if open > 0 || opened == 0 || is_in_tag { import.report.end("it breaks off") } else { ControlFlow::Continue(()) }
}

fn element_of(
    import: &mut Import<'_>,
    element: Option<Vec<u8>>,
    name: &str,
    read: &mut impl FnMut(&mut Import<'_>, &str) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match element.map(String::from_utf8) {
        Some(Ok(text)) => read(import, &text),
        Some(Err(_)) => {
            import.report.broken(name, "it is no UTF-8");
            ControlFlow::Continue(())
        }
        None => {
            import.report.broken(name, "it is too large or too deep");
            ControlFlow::Continue(())
        }
    }
}

/// What a tag is.
enum Tag {
    /// It ends the element that was read; `None` in its place if it was too large.
    EndsElement(Option<Vec<u8>>),
    /// It is another one.
    Other,
}

struct Finder {
    tag: Vec<u8>,
    /// The sign that ends the text of an attribute that is open.
    quote: Option<u8>,
    /// The element that is being read.
    element: Option<Vec<u8>>,
    /// What it takes of memory.
    reckoning: Reckoning,
    /// How many elements are open within it, and it itself.
    depth: usize,
    is_too_large: bool,
}

/// Elements within one that is read; deeper ones are not.
const DEPTH: usize = 64;

impl Finder {
    fn push(&mut self, byte: u8, limits: &FeedLimits) {
        let Some(element) = &mut self.element else { return };
        self.reckoning.letter();
        self.reckoning.sign_of_xml(byte);
        self.is_too_large |= element.len() >= limits.record_bytes || self.reckoning.bytes > limits.record_memory;
        if self.is_too_large {
            *element = Vec::new();
        }
        element.push(byte);
    }

    /// Whether the tag ends here: comments and raw text end in their own way.
    fn tag_is_whole(&self) -> bool {
        if self.tag.starts_with(b"<!--") {
            self.tag.len() >= 7 && self.tag.ends_with(b"-->")
        } else if self.tag.starts_with(b"<![CDATA[") {
            self.tag.ends_with(b"]]>")
        } else if self.tag.starts_with(b"<?") {
            self.tag.ends_with(b"?>")
        } else {
            // A sign in the text of an attribute ends nothing.
            self.quote.is_none()
        }
    }

    fn push_tag(&mut self, byte: u8) {
        self.tag.push(byte);
        match (self.quote, byte) {
            (None, b'"' | b'\'') => self.quote = Some(byte),
            (Some(open), byte) if open == byte => self.quote = None,
            _ => {}
        }
    }

    /// Takes the tag into account.
    fn end_tag(&mut self, name: &str) -> Tag {
        let tag = self.tag.strip_prefix(b"<").unwrap_or_default();
        if tag.starts_with(b"!") || tag.starts_with(b"?") {
            return Tag::Other;
        }
        let is_closing = tag.starts_with(b"/");
        let is_single = tag.ends_with(b"/>");
        if self.element.is_none() {
            let starts = tag.strip_prefix(name.as_bytes()).is_some_and(|rest| {
                rest.first().is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
            });
            if is_closing || !starts || is_single {
                return Tag::Other;
            }
            self.element = Some(self.tag.clone());
            self.reckoning = Reckoning::new(Weights::OF_XML);
            self.depth = 1;
            self.is_too_large = false;
            return Tag::Other;
        }
        if is_closing {
            self.depth = self.depth.saturating_sub(1);
        } else if !is_single {
            self.depth += 1;
            self.is_too_large |= self.depth > DEPTH;
        }
        if self.depth > 0 {
            return Tag::Other;
        }
        let element = self.element.take();
        Tag::EndsElement(element.filter(|_| !self.is_too_large))
    }
}
