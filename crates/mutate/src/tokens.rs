//! Changes of texts that are made of words and signs: headers, forms, names, paths.

use crate::bytes::number;
use crate::chance::Chance;

/// Words and signs, in their order: a word is letters and digits, and what is not ASCII.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let end = if is_word(first) { rest.iter().take_while(|byte| is_word(byte)).count() } else { 1 };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// Changes some words or signs. `other` is another input, of which some may come in.
pub fn change(input: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let mut parts: Vec<Vec<u8>> = tokens(input).into_iter().map(<[u8]>::to_vec).collect();
    let others = tokens(other);
    let at = chance.below(parts.len() + 1);
    let some = chance.part_of(parts.len());
    match chance.below(9) {
        0 => {
            parts.drain(some);
        }
        1 => {
            let part = parts[some].concat();
            parts.insert(at, part.repeat(chance.times(part.len())));
        }
        2 if at < parts.len() => {
            let with = chance.below(parts.len());
            parts.swap(at, with);
        }
        3 if at < parts.len() && !others.is_empty() => parts[at] = chance.pick(&others).to_vec(),
        4 => {
            let some = chance.part_of(others.len());
            parts.insert(at, others[some].concat());
        }
        5 if at < parts.len() => change_case(&mut parts[at], chance),
        6 if at < parts.len() => parts[at] = percent_encoded(&parts[at], chance),
        7 => {
            let words = parts.iter_mut().filter(|part| part.iter().all(u8::is_ascii_digit));
            let mut words: Vec<&mut Vec<u8>> = words.collect();
            let which = chance.below(words.len());
            match words.get_mut(which) {
                Some(word) => **word = number(chance).into_bytes(),
                None => parts.insert(at, number(chance).into_bytes()),
            }
        }
        _ => {
            let quoted = [b"\"", parts[some.clone()].concat().as_slice(), b"\""].concat();
            parts.splice(some, [quoted]);
        }
    }
    *input = parts.concat();
}

fn change_case(word: &mut [u8], chance: &mut Chance) {
    match chance.below(3) {
        0 => word.make_ascii_uppercase(),
        1 => word.make_ascii_lowercase(),
        _ => {
            for letter in word.iter_mut().filter(|letter| letter.is_ascii_alphabetic() && chance.one_in(2)) {
                *letter ^= 0x20;
            }
        }
    }
}

/// The same in a URL or a form, written in another way; or half of it.
fn percent_encoded(word: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(word.len() * 3);
    for byte in word {
        match chance.below(4) {
            0 => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            1 => encoded.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            2 => encoded.push(*byte),
            _ if *byte == b' ' => encoded.push(b'+'),
            _ if chance.one_in(8) => encoded.extend_from_slice(format!("%25{byte:02x}").as_bytes()),
            _ => encoded.push(*byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs() {
        let found = tokens("Tags.member.1=a%20\u{e9}b".as_bytes());
        let expected = ["Tags", ".", "member", ".", "1", "=", "a", "%", "20\u{e9}b"];
        assert_eq!(found, expected.map(str::as_bytes));
        assert!(tokens(b"").is_empty());
    }

    #[test]
    fn every_change_is_made_of_any_input() {
        for input in ["", "a", "bytes=10-20"] {
            let changed: Vec<String> = (0..3_000)
                .map(|seed| {
                    let mut changed = input.as_bytes().to_vec();
                    change(&mut changed, b"x y", &mut Chance::new(seed));
                    String::from_utf8(changed).expect("words stay whole")
                })
                .collect();
            let some = |is: &dyn Fn(&str) -> bool| changed.iter().any(|changed| is(changed));
            assert!(some(&|changed| changed.contains('x')));
            assert!(some(&|changed| changed.contains('"')));
            assert!(some(&|changed| changed.contains("18446744073709551616")));
            if !input.is_empty() {
                assert!(some(&|changed| changed.len() < input.len()));
                assert!(some(&|changed| changed.contains("%6")));
                assert!(some(&|changed| changed != input && changed.eq_ignore_ascii_case(input)));
            }
        }
    }
}
