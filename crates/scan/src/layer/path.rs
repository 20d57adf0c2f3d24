//! The paths of archives as paths within an image.

/// The first character that stands for a byte of no text: U+10FF80 for 0x80.
const FIRST_STAND_IN: u32 = 0x10_ff00;

/// A path within the image, without a slash in front; empty for the root itself. As containerd does before it extracts:
/// `.`, `..` and repeated slashes go by the letters alone, and nothing is above the root.
pub(super) fn normalised(name: &[u8]) -> String {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    text(&parts.join(&b'/'))
}

/// Bytes as text: each byte that is part of none becomes a character of its own, so that two paths never become one.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if u32::from(character) >= FIRST_STAND_IN {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes).bytes().for_each(|byte| stand_in(byte, &mut text));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| stand_in(*byte, &mut text));
    }
    text
}

fn stand_in(byte: u8, text: &mut String) {
    text.push(char::from_u32(FIRST_STAND_IN.saturating_add(u32::from(byte))).unwrap_or(char::REPLACEMENT_CHARACTER));
}

/// What a name of an archive asks of the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// The path goes, with all below it: its directory and its name.
    Path(&'a str, &'a str),
    /// All that lies in the directory goes.
    Opaque(&'a str),
    /// A name that only says it is one: layers that have it are refused where images are extracted.
    Nothing,
}

/// Whether a path is none of the layer's files, but takes away from the layers below.
pub(super) fn whiteout(path: &str) -> Option<Whiteout<'_>> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let hidden = name.strip_prefix(".wh.")?;
    Some(match hidden {
        ".wh..opq" => Whiteout::Opaque(directory),
        "" | "." | ".." => Whiteout::Nothing,
        // Notes of aufs.
        _ if hidden.starts_with(".wh.") => Whiteout::Nothing,
        _ => Whiteout::Path(directory, hidden),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lie_within_the_image() {
        for (name, path) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("/a/./b", "a/b"),
            ("a/../b", "b"),
            ("../../a", "a"),
            ("a/../../../b/..", ""),
            ("", ""),
            (".", ""),
            ("/", ""),
            ("a\\b", "a\\b"),
        ] {
            assert_eq!(normalised(name.as_bytes()), path, "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_apart() {
        let texts = [&b"a\xff"[..], b"a\xfe", b"a\xf4\x8f\xbf\xbf", b"\xc3", b"\xc3\xa9", b"a\\xff"].map(text);
        assert_eq!(texts.iter().collect::<std::collections::BTreeSet<_>>().len(), texts.len());
        assert_eq!(texts[0], "a\u{10ffff}");
        assert_eq!(texts[2].chars().count(), 5, "a stand-in's own bytes are stood in for");
        assert_eq!(texts[4], "é");
    }

    #[test]
    fn names_that_take_away() {
        assert_eq!(whiteout("a/.wh.b"), Some(Whiteout::Path("a", "b")));
        assert_eq!(whiteout(".wh.b"), Some(Whiteout::Path("", "b")));
        assert_eq!(whiteout("a/.wh..wh..opq"), Some(Whiteout::Opaque("a")));
        assert_eq!(whiteout(".wh..wh..opq"), Some(Whiteout::Opaque("")));
        for name in [".wh.", ".wh..", ".wh...", ".wh..wh.plnk"] {
            assert_eq!(whiteout(name), Some(Whiteout::Nothing), "{name}");
        }
        assert_eq!(whiteout("a/.wh.b/c"), None);
        assert_eq!(whiteout("a/x.wh.b"), None);
    }
}
