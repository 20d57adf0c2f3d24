//! The comparisons of event patterns: what one value of an event is held against. Pure.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::{Number, Value};

/// One of the things that a field's list allows (EventBridge, "Comparison operators").
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// The value itself.
    Equals(Value),
    /// A part of a text, in one case or any.
    Text(Part, Case, String),
    /// A text in which `*` stands for any text.
    Wildcard(Wildcard),
    /// A number within bounds.
    Numeric(Vec<(NumericOperator, Number)>),
    /// An address of a network.
    Cidr(Network),
    /// Any value that none of these fits.
    AnythingBut(Vec<Self>),
    /// Whether there is a value.
    Exists(bool),
}

/// Which part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Beginning,
    End,
}

/// Whether capital and small letters differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Differs,
    Ignored,
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumericOperator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const KNOWN: &str = "prefix, suffix, wildcard, equals-ignore-case, numeric, cidr, anything-but and exists";

impl Comparison {
    /// Reads an entry of a field's list, or says what is wrong with it.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let object = match value {
            Value::Object(object) => object,
            Value::Array(_) => return Err("a list cannot hold a list".to_owned()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Ok(Self::Equals(value.clone()));
            }
        };
        let mut entries = object.iter();
        let (Some((word, argument)), None) = (entries.next(), entries.next()) else {
            return Err("a comparison is an object with one field, such as {\"prefix\": \"v\"}".to_owned());
        };
        match word.as_str() {
            "prefix" => Self::part(word, Part::Beginning, argument),
            "suffix" => Self::part(word, Part::End, argument),
            "equals-ignore-case" => Ok(Self::Text(Part::Whole, Case::Ignored, text(word, argument)?)),
            "wildcard" => Ok(Self::Wildcard(Wildcard::read(&text(word, argument)?)?)),
            "numeric" => numeric(argument),
            "cidr" => Ok(Self::Cidr(Network::read(&text(word, argument)?)?)),
            "exists" => Ok(Self::Exists(argument.as_bool().ok_or("exists needs true or false")?)),
            "anything-but" => Self::anything_but(argument),
            other => Err(format!("'{other}' is no comparison that Wharf knows: {KNOWN} are")),
        }
    }

    /// `prefix` and `suffix` take a text, or one whose case is ignored.
    fn part(word: &str, part: Part, argument: &Value) -> Result<Self, String> {
        let needs = || format!("{word} needs a text, or {{\"equals-ignore-case\": \"…\"}}");
        match argument {
            Value::String(text) => Ok(Self::Text(part, Case::Differs, text.clone())),
            Value::Object(object) if object.len() == 1 => match object.get("equals-ignore-case") {
                Some(Value::String(text)) => Ok(Self::Text(part, Case::Ignored, text.clone())),
                _ => Err(needs()),
            },
            _ => Err(needs()),
        }
    }

    /// `anything-but` takes a value or several, or a comparison of texts, whose argument may be a list too.
    fn anything_but(argument: &Value) -> Result<Self, String> {
        let mut excluded = Vec::new();
        for value in one_or_several(argument) {
            match value {
                Value::Object(object) if object.len() == 1 => {
                    for (word, argument) in object {
                        if !matches!(word.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
                            return Err(NOT_EXCLUDABLE.to_owned());
                        }
                        for argument in one_or_several(argument) {
                            let comparison = serde_json::Map::from_iter([(word.clone(), argument.clone())]);
                            excluded.push(Self::read(&comparison.into())?);
                        }
                    }
                }
                Value::Object(_) => return Err(NOT_EXCLUDABLE.to_owned()),
                value => excluded.push(Self::read(value)?),
            }
        }
        if excluded.is_empty() { Err(NOT_EXCLUDABLE.to_owned()) } else { Ok(Self::AnythingBut(excluded)) }
    }

    /// How many comparisons it takes at most.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::AnythingBut(excluded) => excluded.iter().map(Self::cost).sum(),
            _ => 1,
        }
    }

    /// Whether a field that is there or not is what is wanted. Of a list, one value is enough.
    pub(super) fn matches_field(&self, field: Option<&Value>) -> bool {
        match (self, field) {
            (Self::Exists(is_there), found) => found.is_some() == *is_there,
            (_, None) => false,
            (_, Some(Value::Array(list))) => list.iter().any(|value| self.matches_value(value)),
            (_, Some(value)) => self.matches_value(value),
        }
    }

    fn matches_value(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(expected) => expected == value,
            Self::Text(part, Case::Differs, expected) => text.is_some_and(|text| part.is_of(expected, text)),
            Self::Text(part, Case::Ignored, expected) => {
                text.is_some_and(|text| part.is_of(&expected.to_lowercase(), &text.to_lowercase()))
            }
            Self::Wildcard(wildcard) => text.is_some_and(|text| wildcard.matches(text)),
            Self::Numeric(bounds) => match value {
                Value::Number(number) => bounds.iter().all(|(operator, bound)| operator.holds(number, bound)),
                _ => false,
            },
            Self::Cidr(network) => text.and_then(|text| text.parse().ok()).is_some_and(|ip| network.holds(ip)),
            Self::AnythingBut(excluded) => !excluded.iter().any(|comparison| comparison.matches_value(value)),
            Self::Exists(is_there) => *is_there,
        }
    }
}

const NOT_EXCLUDABLE: &str =
    "anything-but needs values, or prefix, suffix, equals-ignore-case or wildcard with one text or a list";

fn one_or_several(argument: &Value) -> &[Value] {
    match argument {
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

fn text(word: &str, argument: &Value) -> Result<String, String> {
    argument.as_str().map(str::to_owned).ok_or_else(|| format!("{word} needs a text"))
}

impl Part {
    fn is_of(self, part: &str, text: &str) -> bool {
        match self {
            Self::Whole => text == part,
            Self::Beginning => text.starts_with(part),
            Self::End => text.ends_with(part),
        }
    }
}

/// `["=", 1]`, or one bound, or a lower and an upper one: `[">", 0, "<=", 5]`.
fn numeric(argument: &Value) -> Result<Comparison, String> {
    const NEEDS: &str = "numeric needs an operator and a number, or two of both, such as [\">\", 0, \"<=\", 5]";
    let list = argument.as_array().filter(|list| matches!(list.len(), 2 | 4)).ok_or(NEEDS)?;
    let mut bounds = Vec::new();
    for pair in list.chunks(2) {
        let (Some(operator), Value::Number(number)) = (NumericOperator::of(&pair[0]), &pair[1]) else {
            return Err(NEEDS.to_owned());
        };
        bounds.push((operator, number.clone()));
    }
    if let [(lower, bottom), (upper, top)] = &bounds[..] {
        let is_range = matches!(lower, NumericOperator::Greater | NumericOperator::GreaterOrEqual)
            && matches!(upper, NumericOperator::Less | NumericOperator::LessOrEqual);
        if !is_range || !NumericOperator::Less.holds(bottom, top) {
            return Err("the first bound of numeric must be a lower one (> or >=), and less than the second".to_owned());
        }
    }
    Ok(Comparison::Numeric(bounds))
}

impl NumericOperator {
    fn of(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: &Number, bound: &Number) -> bool {
        let Some(order) = order(number, bound) else { return false };
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// Whole numbers are compared as such, since not all of them are floating-point ones.
fn order(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// A network of addresses, in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no network such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = bits.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if bits > longest { Err(wrong()) } else { Ok(Self { address, bits }) }
    }

    fn holds(self, ip: IpAddr) -> bool {
        // Shifting by all bits is not defined, and leaves none to differ.
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (u32::from(own) ^ u32::from(ip)).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (u128::from(own) ^ u128::from(ip)).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// A text with wildcards, as the texts between them: at least one. `\*` and `\\` stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard(Vec<String>);

impl Wildcard {
    fn read(text: &str) -> Result<Self, String> {
        let mut parts = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '*' => {
                    parts.push(String::new());
                    continue;
                }
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err(r"in a wildcard \ stands before * or \ alone".to_owned()),
                },
                other => other,
            };
            parts.last_mut().expect("never empty").push(literal);
        }
        Ok(Self(parts))
    }

    /// Takes time of at most the product of the lengths.
    fn matches(&self, text: &str) -> bool {
        let Some((first, parts)) = self.0.split_first() else { return false };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, parts)) = parts.split_last() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("*b*b*", "abc", false),
            ("a**c", "abc", true),
            ("abc", "abcd", false),
            ("é*", "école", true),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\\*", r"a\bc", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Wildcard::read(pattern).expect(pattern).matches(text), expected, "{pattern} {text}");
        }
        for wrong in [r"\", r"\a", r"a*\"] {
            assert!(Wildcard::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks() {
        for (network, ip, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("192.0.2.7/32", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.6", false),
            ("2001:db8::/32", "2001:db8:1::9", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::/0", "::1", true),
            ("0.0.0.0/0", "::1", false),
        ] {
            let ip = ip.parse().expect("an address");
            assert_eq!(Network::read(network).expect("a network").holds(ip), expected, "{network} {ip}");
        }
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "x/8", "/8"] {
            assert!(Network::read(wrong).is_err(), "{wrong}");
        }
    }
}
