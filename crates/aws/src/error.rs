//! The shape of an AWS error, in JSON and in XML.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::xml::XmlWriter;

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub struct AwsError {
    /// HTTP status.
    pub status: StatusCode,
    /// The error's name.
    pub code: &'static str,
    /// What the client is told.
    pub message: String,
    /// Further members of the error's shape.
    pub extra: Map<String, Value>,
}

impl AwsError {
    /// A client error: 400, as the JSON protocol has it for every modelled one (reference/wire.md 1).
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into(), extra: Map::new() }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.extra.insert(member.to_owned(), value);
        self
    }

    /// The JSON body. It has both spellings of the message's key: SDKs differ in which they read.
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = json!({"__type": self.code, "message": self.message, "Message": self.message});
        if let Value::Object(members) = &mut body {
            members.extend(self.extra.clone());
        }
        body.to_string().into_bytes()
    }

    /// The XML body of the Query protocol.
    pub fn to_xml(&self, namespace: &str, request_id: &str) -> String {
        let kind = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        let mut xml = XmlWriter::new();
        xml.open_with_namespace("ErrorResponse", namespace);
        xml.open("Error");
        xml.text_element("Type", kind);
        xml.text_element("Code", self.code);
        xml.text_element("Message", &self.message);
        xml.close("Error");
        xml.text_element("RequestId", request_id);
        xml.close("ErrorResponse");
        xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let error = AwsError::new("X", "a<b").with("n", 5.into());
        let body: Value = serde_json::from_slice(&error.to_json()).expect("JSON");
        assert_eq!(body, json!({"__type": "X", "message": "a<b", "Message": "a<b", "n": 5}));
        let xml = error.to_xml("ns", "id");
        assert_eq!(
            xml,
            "<ErrorResponse xmlns=\"ns\"><Error><Type>Sender</Type><Code>X</Code><Message>a&lt;b</Message></Error><RequestId>id</RequestId></ErrorResponse>"
        );
    }
}
