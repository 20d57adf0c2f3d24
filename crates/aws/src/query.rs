//! Reading the forms of the Query protocol.

/// More fields than any action takes; bounds the work of one request.
const MAX_FIELDS: usize = 2_000;

/// A decoded form.
#[derive(Clone, Debug, Default)]
pub struct QueryForm(Vec<(String, String)>);

/// A form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too many fields.
    #[error("the request has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// Not text.
    #[error("the request's fields are not UTF-8 text")]
    NotText,
}

fn decode(bytes: &[u8]) -> Result<String, QueryError> {
    let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| QueryError::NotText)
}

impl QueryForm {
    /// Reads a form body or query string.
    pub fn parse(form: &[u8]) -> Result<Self, QueryError> {
        let mut fields = Vec::new();
        for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(QueryError::TooManyFields);
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            fields.push((decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?));
        }
        Ok(Self(fields))
    }

    /// A field's value; the first of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let form = QueryForm::parse(b"Action=X&a+b=c%20d&&flag&e=1=2").expect("valid");
        for (name, value) in [("Action", "X"), ("a b", "c d"), ("flag", ""), ("e", "1=2")] {
            assert_eq!(form.get(name), Some(value), "{name}");
        }
        assert_eq!(QueryForm::parse(b"a=%ff").err(), Some(QueryError::NotText));
        assert_eq!(QueryForm::parse(&b"a&".repeat(MAX_FIELDS + 1)).err(), Some(QueryError::TooManyFields));
    }
}
