//! What the Query protocol answers, whatever the texts in it: every parser of XML reads them as they are.

use aws::{AwsError, json_to_xml, query_response};
use mutate::Form;
use roxmltree::{Document, Node};
use serde_json::json;

const TEXTS: [&str; 4] = [
    "User: arn:aws:iam::123456789012:user/a is not authorized to perform: sts:AssumeRole",
    "<a href=\"x\">&amp;</a> ]]> <!-- \r\n\t --",
    "é 日本 🐳 \u{202e}\u{fffe}\u{ffff}\u{85}\u{2028}",
    r#"{"Version":"2012-10-17"}"#,
];

/// A text with what XML has no way to carry replaced (XML 1.0, 2.2: characters).
fn carried(text: &str) -> String {
    let is_carried = |character: char| {
        matches!(character, '\t' | '\n' | '\r' | '\u{fffd}')
            || !(character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
    };
    text.chars().map(|character| if is_carried(character) { character } else { '\u{fffd}' }).collect()
}

fn text_of(document: &Document<'_>, name: &str) -> String {
    let element = document.descendants().find(|node| node.has_tag_name(("ns", name)));
    let texts =
        element.into_iter().flat_map(|element| element.children()).filter_map(|child: Node<'_, '_>| child.text());
    texts.collect()
}

#[test]
fn answers() {
    mutate::texts(Form::Text, &TEXTS, 4_000, |text| {
        let error = AwsError::new("MalformedInput", text).to_xml("ns", "id");
        let document = Document::parse(&error).expect("XML");
        assert_eq!(text_of(&document, "Message"), carried(text));
        assert_eq!(text_of(&document, "Code"), "MalformedInput");
        let result = json_to_xml(&json!({"Description": text, "Tags": [{"Value": text}], "IsTruncated": false}));
        let answer = query_response("ns", "GetRole", Some(&result), "id");
        let document = Document::parse(&answer).expect("XML");
        for name in ["Description", "Value"] {
            assert_eq!(text_of(&document, name), carried(text));
        }
    });
}
