//! The Security Token Service: who am I (around.md 3).

use aws::{AwsError, QueryForm, XmlWriter, query_response};

use crate::aws_api::operation::Call;

/// The XML namespace of its answers.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// What signatures name.
pub const SIGNING_NAME: &str = "sts";
const VERSION: &str = "2011-06-15";

/// Runs an action and gives the answer's XML.
pub fn run(call: &Call<'_>, action: &str, form: &QueryForm) -> Result<String, AwsError> {
    let version = form.get("Version").unwrap_or(VERSION);
    match action {
        "GetCallerIdentity" if version == VERSION => Ok(get_caller_identity(call)),
        _ => Err(AwsError::new("InvalidAction", format!("Could not find operation {action} for version {version}"))),
    }
}

/// Needs no permission: a caller may always learn who it is.
fn get_caller_identity(call: &Call<'_>) -> String {
    let mut xml = XmlWriter::new();
    xml.text_element("Arn", &call.caller.arn().to_string());
    xml.text_element("UserId", call.caller.user_id());
    xml.text_element("Account", call.caller.account.as_str());
    query_response(NAMESPACE, "GetCallerIdentity", Some(&xml.finish()), &call.http.request_id.to_string())
}
