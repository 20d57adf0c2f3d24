//! Writing the small XML of the Query protocol.

use serde_json::Value;

/// Collects elements. The caller closes what it opens.
#[derive(Default)]
pub struct XmlWriter(String);

fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Written as it is, it would be read as the end of a line (XML 1.0, 2.11).
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            // XML 1.0 has no way to carry most other control characters, nor what is no character (2.2).
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

impl XmlWriter {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Begins the outermost element.
    pub fn open_with_namespace(&mut self, name: &str, namespace: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str(" xmlns=\"");
        escape_into(&mut self.0, namespace);
        self.0.push_str("\">");
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element that holds text.
    pub fn text_element(&mut self, name: &str, text: &str) {
        self.open(name);
        escape_into(&mut self.0, text);
        self.close(name);
    }

    /// Adds what another writer made.
    pub fn raw(&mut self, xml: &str) {
        self.0.push_str(xml);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }
}

/// The elements that JSON stands for in the Query protocol: a list's entries are called `member`, and what is null is
/// left out. A map is given as an object whose one member `entry` is a list of objects with `key` and `value`.
pub fn json_to_xml(value: &Value) -> String {
    let mut xml = XmlWriter::new();
    write_value(&mut xml, value);
    xml.finish()
}

fn write_value(xml: &mut XmlWriter, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => escape_into(&mut xml.0, if *truth { "true" } else { "false" }),
        Value::Number(number) => escape_into(&mut xml.0, &number.to_string()),
        Value::String(text) => escape_into(&mut xml.0, text),
        Value::Array(entries) => entries.iter().for_each(|entry| write_element(xml, "member", entry)),
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                match member {
                    Value::Array(entries) if name == "entry" => {
                        for entry in entries {
                            write_element(xml, name, entry);
                        }
                    }
                    member => write_element(xml, name, member),
                }
            }
        }
    }
}

fn write_element(xml: &mut XmlWriter, name: &str, value: &Value) {
    xml.open(name);
    write_value(xml, value);
    xml.close(name);
}

/// The answer of a Query operation; one without output has no result element (reference/around.md 1).
pub fn query_response(namespace: &str, operation: &str, result: Option<&str>, request_id: &str) -> String {
    let mut xml = XmlWriter::new();
    xml.open_with_namespace(&format!("{operation}Response"), namespace);
    if let Some(result) = result {
        xml.open(&format!("{operation}Result"));
        xml.raw(result);
        xml.close(&format!("{operation}Result"));
    }
    xml.open("ResponseMetadata");
    xml.text_element("RequestId", request_id);
    xml.close("ResponseMetadata");
    xml.close(&format!("{operation}Response"));
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_carry_as_it_is() {
        let mut xml = XmlWriter::new();
        xml.text_element("A", "a\r\n\tb\0c\u{85}d\u{fffe}e\u{ffff}f\u{fffd}\u{e000}\u{1f433}");
        let expected = "<A>a&#xD;\n\tb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}\u{e000}\u{1f433}</A>";
        assert_eq!(xml.finish(), expected);
    }

    #[test]
    fn json() {
        let value = serde_json::json!({"A": null, "B": true, "C": 1, "D": "<", "E": [], "F": [{"G": "x"}, {"G": "y"}]});
        assert_eq!(
            json_to_xml(&value),
            "<B>true</B><C>1</C><D>&lt;</D><E></E><F><member><G>x</G></member><member><G>y</G></member></F>"
        );
        let map = serde_json::json!({"M": {"entry": [{"value": 1, "key": "a"}, {"value": 2, "key": "b"}]}});
        let entries = "<entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry>";
        assert_eq!(json_to_xml(&map), format!("<M>{entries}</M>"));
    }
}
