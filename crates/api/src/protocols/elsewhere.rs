//! Requests for services that Wharf is not: a client whose every request is sent here (`AWS_ENDPOINT_URL`) is told so in
//! the protocol that it speaks, and what to do instead.

use access::request::RequestContext;
use aws::{AwsError, XmlWriter};
use http::{HeaderName, StatusCode, header};
use runtime::http::respond::{self, Answer};

use super::service::Services;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const CBOR: &str = "rpc-v2-cbor";
/// Names of services are short; others are not repeated.
const MAX_NAME: usize = 40;

/// The service that a request is signed for, by its credential scope; none if it is not signed. Nothing is checked.
pub fn signed_service(http: &RequestContext) -> Option<String> {
    let from_header = http.header(header::AUTHORIZATION).and_then(|value| {
        let rest = value.strip_prefix("AWS4-")?;
        let (_, credential) = rest.split_once("Credential=")?;
        credential.split(',').next().map(str::to_owned)
    });
    let credential = from_header.or_else(|| http.query_parameter("X-Amz-Credential"))?;
    // KEY/DATE/REGION/SERVICE/aws4_request; SigV4a has no region.
    let service = credential.trim().rsplit('/').nth(1)?;
    let is_name = !service.is_empty()
        && service.len() <= MAX_NAME
        && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    is_name.then(|| service.to_owned())
}

/// The error for an operation of a service that Wharf does not have.
pub fn no_service(services: &Services, code: &'static str, service: &str) -> AwsError {
    let amazons = services.all().iter().filter(|service| service.is_amazons);
    let has = listed(amazons.map(|service| service.signing_name), "and");
    let text = format!(
        "Wharf does not have the service '{service}'. It has {has}. Send \
         requests for '{service}' to its own endpoint: in place of AWS_ENDPOINT_URL or --endpoint-url, set \
         AWS_ENDPOINT_URL_ECR, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL_IAM and so on for the services that are meant to \
         be Wharf's."
    );
    AwsError::new(code, text)
}

/// Names in a sentence: `a, b and c`.
pub fn listed(names: impl Iterator<Item = &'static str>, last: &str) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((end, [])) => (*end).to_owned(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

/// The error for an operation that Wharf does not have of a service that it has.
pub fn no_operation(code: &'static str, service: &str, operation: &str) -> AwsError {
    let operation: String = operation.chars().take(MAX_NAME * 2).collect();
    let text = format!(
        "Wharf does not have the operation '{operation}' of {service}. Its README lists those that it has; a newer \
         version may have more (`wharf --version`)."
    );
    AwsError::new(code, text)
}

/// The error for a request of the JSON protocol that names no operation of the service that it is signed for: `begins` is what
/// it has to begin with.
pub fn wrong_target(code: &'static str, service: &str, target: &str, begins: &str) -> AwsError {
    let target: String = target.chars().take(MAX_NAME * 2).collect();
    let text = format!(
        "The X-Amz-Target '{target}' names no operation of {service}: it has to be '{begins}.' and the operation's name, such \
         as '{begins}.{}'.",
        target.rsplit('.').next().filter(|name| !name.is_empty()).unwrap_or("OPERATION")
    );
    AwsError::new(code, text)
}

/// The answer to a request that is signed for a service of somebody else and sent to a path that means nothing here, or
/// something else; none for any other request.
pub fn answer(services: &Services, http: &RequestContext) -> Option<Answer> {
    let service = signed_service(http).filter(|service| !services.has(service))?;
    let no_service = |code| no_service(services, code, &service);
    Some(match service.as_str() {
        _ if http.header(PROTOCOL) == Some(CBOR) => cbor(&no_service("UnknownOperationException")),
        "s3" | "s3express" | "s3-outposts" => s3(http, &no_service("NotImplemented")),
        "route53" | "cloudfront" => xml(http, &no_service("InvalidAction"), &service),
        _ => rest_json(&no_service("UnknownOperationException")),
    })
}

/// The error in the XML of the Query protocol, in the shape of the service that the request is signed for.
pub fn xml(http: &RequestContext, error: &AwsError, service: &str) -> Answer {
    let request_id = http.request_id.to_string();
    if service == "ec2" {
        let mut xml = XmlWriter::new();
        xml.open("Response");
        xml.open("Errors");
        write_error(&mut xml, error, "Error");
        xml.close("Errors");
        xml.text_element("RequestID", &request_id);
        xml.close("Response");
        return respond::with_body(error.status, "text/xml", xml.finish());
    }
    let namespace = format!("https://{service}.amazonaws.com/doc/");
    respond::with_body(error.status, "text/xml", error.to_xml(&namespace, &request_id))
}

fn write_error(xml: &mut XmlWriter, error: &AwsError, element: &'static str) {
    xml.open(element);
    xml.text_element("Code", error.code);
    xml.text_element("Message", &error.message);
    xml.close(element);
}

fn s3(http: &RequestContext, error: &AwsError) -> Answer {
    let mut xml = XmlWriter::new();
    xml.open("Error");
    xml.text_element("Code", error.code);
    xml.text_element("Message", &error.message);
    xml.text_element("Resource", &http.path);
    xml.text_element("RequestId", &http.request_id.to_string());
    xml.close("Error");
    respond::with_body(StatusCode::NOT_IMPLEMENTED, "application/xml", xml.finish())
}

fn rest_json(error: &AwsError) -> Answer {
    let mut answer = respond::with_body(StatusCode::NOT_FOUND, "application/json", error.to_json());
    respond::add_header(&mut answer, ERROR_TYPE, error.code);
    answer
}

/// A map of two texts in CBOR (RFC 8949).
fn cbor(error: &AwsError) -> Answer {
    let mut body = vec![0xa2];
    for text in ["__type", error.code, "message", &error.message] {
        // A text of up to 65535 bytes, with its length in two of them.
        body.push(0x79);
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    let mut answer = respond::with_body(StatusCode::NOT_FOUND, "application/cbor", body);
    respond::add_header(&mut answer, PROTOCOL, CBOR);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::service::{Protocol, QueryApi, QueryService, Service};

    const fn service(signing_name: &'static str, protocol: Protocol, is_amazons: bool) -> Service {
        Service { signing_name, name: signing_name, protocol, operations: &[], unsigned: &[], is_amazons }
    }

    static API: QueryApi = QueryApi { version: "1", namespace: "n" };
    static STS: Service = service("sts", Protocol::Query(&API), true);
    static SERVICES: Services = Services::new(
        &[
            &service("ecr", Protocol::Json { target: "Registry" }, true),
            &STS,
            &service("kms", Protocol::Json { target: "Keys" }, true),
            &service("wharf", Protocol::Json { target: "Wharf" }, false),
        ],
        QueryService { service: &STS, api: &API },
    );

    #[test]
    fn who_asks_for_a_service_of_others_is_told_which_there_are() {
        let error = no_service(&SERVICES, "InvalidAction", "s3");
        let text = "Wharf does not have the service 's3'. It has ecr, sts and kms. Send ";
        assert!(error.message.starts_with(text), "{}", error.message);
    }

    #[test]
    fn a_wrong_target_is_told_the_right_one() {
        assert_eq!([SERVICES.target_of("wharf"), SERVICES.target_of("sts")], [Some("Wharf"), None]);
        for (target, operation) in
            [("Old.DescribeServer", "DescribeServer"), ("DescribeServer", "DescribeServer"), ("Old.", "OPERATION")]
        {
            let error = wrong_target("UnknownOperationException", "wharf", target, "Wharf");
            let text = format!(
                "The X-Amz-Target '{target}' names no operation of wharf: it has to be 'Wharf.' and the operation's name, such as \
                 'Wharf.{operation}'."
            );
            assert_eq!(error.message, text);
        }
    }

    #[test]
    fn names_in_a_sentence() {
        for (names, expected) in
            [(&[][..], ""), (&["a"], "a"), (&["a", "b"], "a or b"), (&["a", "b", "c"], "a, b or c")]
        {
            assert_eq!(listed(names.iter().copied(), "or"), expected);
        }
    }
}
