//! Changes of bytes, whatever they mean.

use crate::chance::Chance;

/// What readers may take for something else: ends of texts, signs of every grammar, and what is no UTF-8 (a lone
/// continuation, a character written longer than need be, half of a surrogate pair, one beyond Unicode).
const PIECES: [&[u8]; 37] = [
    b"\0",
    b"\t",
    b"\n",
    b"\r\n",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"/",
    b"..",
    b",",
    b";",
    b":",
    b"=",
    b"&",
    b"&a",
    b"?",
    b"#",
    b"+",
    b"-",
    b"*",
    b"<",
    b">",
    b"%00",
    b"%",
    b"{",
    b"}",
    b"[",
    b"]",
    "\u{17f}\u{212a}\u{e9}".as_bytes(),
    "\u{202e}\u{feff}\u{1f433}\u{ffff}".as_bytes(),
    b"\x80",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
];

/// Numbers at the ends of what integers can hold and beyond, and numbers that are written in other ways.
pub const NUMBERS: [&str; 20] = [
    "0",
    "-0",
    "00",
    "1",
    "+1",
    "-1",
    "1.0",
    "0.5",
    "1e3",
    "1e999",
    "-1e-999",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "0x10",
];

/// Changes something at one place. `other` is another input, of which a part may come in.
pub fn change(input: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    match chance.below(10) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 => {
            let part = chance.part_of(input.len());
            input.splice(part, chance.pick(&PIECES).iter().copied());
        }
        2 => {
            let part = chance.part_of(input.len());
            input.drain(part);
        }
        3 => {
            let part = chance.part_of(input.len());
            let repeated = input[part.clone()].repeat(chance.times(part.len()));
            input.splice(at..at, repeated);
        }
        4 => {
            let part = chance.part_of(input.len());
            let moved: Vec<u8> = input.drain(part).collect();
            let at = chance.below(input.len() + 1);
            input.splice(at..at, moved);
        }
        5 => {
            input.truncate(at);
            input.extend_from_slice(&other[chance.below(other.len() + 1)..]);
        }
        6 => {
            let part = chance.part_of(other.len());
            input.splice(at..at, other[part].iter().copied());
        }
        7 => change_number(input, chance),
        8 => input.truncate(at),
        _ => {
            let piece = chance.pick(&PIECES).repeat(chance.times(1));
            input.splice(at..at, piece);
        }
    }
}

/// Writes over something without moving what follows, as formats have it whose parts point to each other: a number at the
/// ends of what its bytes can hold, a small one, or what is in another place.
pub fn overwrite(input: &mut [u8], chance: &mut Chance) {
    let length = *chance.pick(&[1, 2, 2, 4, 4, 4, 8]);
    let Some(last) = input.len().checked_sub(length) else { return };
    let at = if chance.one_in(4) { chance.below(last + 1) } else { chance.below(last + 1) / length * length };
    let small = chance.below(300) as u64;
    let number: u64 = match chance.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << (8 * length - 1),
        3 => (1 << (8 * length - 1)) - 1,
        4 => small,
        _ => {
            let from = chance.below(last + 1);
            return input.copy_within(from..from + length, at);
        }
    };
    let number =
        if chance.one_in(2) { number.to_le_bytes() } else { number.rotate_right(8 * length as u32).to_be_bytes() };
    input[at..at + length].copy_from_slice(&number[..length]);
}

/// Puts another number in the place of one.
fn change_number(input: &mut Vec<u8>, chance: &mut Chance) {
    let from = chance.below(input.len() + 1);
    let start = input[from..].iter().position(u8::is_ascii_digit).map_or(from, |found| from + found);
    let end = input[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |found| start + found);
    input.splice(start..end, number(chance).into_bytes());
}

/// A number that is hard to read, and now and then one that is very long.
pub fn number(chance: &mut Chance) -> String {
    let digits = if chance.one_in(10) { chance.times(1) } else { 0 };
    format!("{}{}", chance.pick(&NUMBERS), chance.pick(&["0", "9"]).repeat(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_over_in_their_place() {
        let input: Vec<u8> = (1..=64).collect();
        let changed: Vec<Vec<u8>> = (0..3_000)
            .map(|seed| {
                let mut changed = input.clone();
                overwrite(&mut changed, &mut Chance::new(seed));
                changed
            })
            .collect();
        let has = |part: &[u8]| changed.iter().any(|changed| changed.windows(part.len()).any(|window| window == part));
        assert!(changed.iter().all(|changed| changed.len() == input.len()));
        assert!(
            has(&[0xff; 8])
                && has(&[0; 4])
                && has(&[5, 0, 0, 0])
                && has(&[0, 0, 0, 5])
                && has(&[0x7f, 0xff, 0xff, 0xff])
        );
        overwrite(&mut [], &mut Chance::new(1));
    }

    #[test]
    fn every_change_is_made_of_any_input() {
        for input in [&b""[..], b"a", b"a=12&b=13"] {
            let changed: Vec<Vec<u8>> = (0..3_000)
                .map(|seed| {
                    let mut changed = input.to_vec();
                    change(&mut changed, b"xyz", &mut Chance::new(seed));
                    changed
                })
                .collect();
            let some = |is: &dyn Fn(&[u8]) -> bool| changed.iter().any(|changed| is(changed));
            assert!(some(&|changed| std::str::from_utf8(changed).is_err()));
            assert!(some(&|changed| changed.len() > 200));
            assert!(some(&|changed| changed.ends_with(b"xyz")));
            assert!(some(&|changed| changed.windows(20).any(|part| part == b"18446744073709551616")));
            assert!(input.is_empty() || some(&|changed| changed.len() < input.len()));
        }
    }
}
