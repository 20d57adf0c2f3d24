//! Spans as the OpenTelemetry protocol has them in JSON (OTLP 1, `ExportTraceServiceRequest`).

use serde_json::{Value, json};

use super::{Attribute, Span, SpanKind};

/// A request that tells of `spans`, which a service did on one node.
pub fn request(service: &str, instance: &str, spans: &[Span]) -> Value {
    let resource = [
        attribute("service.name", &service.into()),
        attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        attribute("service.instance.id", &instance.into()),
    ];
    json!({
        "resourceSpans": [{
            "resource": {"attributes": resource},
            "scopeSpans": [{
                "scope": {"name": "wharf", "version": env!("CARGO_PKG_VERSION")},
                "spans": spans.iter().map(span).collect::<Vec<_>>(),
            }],
        }],
    })
}

fn span(span: &Span) -> Value {
    let mut span_document = json!({
        "traceId": span.trace.trace_id.to_string(),
        "spanId": span.trace.span_id.to_string(),
        "name": span.name,
        "kind": match span.kind { SpanKind::Internal => 1, SpanKind::Server => 2 },
        // 64-bit numbers are texts in protobuf's JSON.
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": span.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
        "status": match &span.error {
            Some(text) => json!({"code": 2, "message": text}),
            None => json!({}),
        },
    });
    if let Some(parent) = span.trace.parent {
        span_document["parentSpanId"] = parent.to_string().into();
    }
    span_document
}

fn attribute(key: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({"stringValue": text}),
        Attribute::Number(number) => json!({"intValue": number.to_string()}),
    };
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use super::super::TraceContext;
    use super::*;

    #[test]
    fn spans_are_written_as_the_protocol_has_them() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let span = Span {
            trace: TraceContext::of_request(Some(parent), uuid::Uuid::nil()),
            name: "GET Manifest".to_owned(),
            kind: SpanKind::Server,
            began_ns: 1_767_225_600_000_000_001,
            ended_ns: 1_767_225_600_000_000_002,
            attributes: vec![("url.path", "/v2/".into()), ("http.response.status_code", Attribute::Number(200))],
            error: Some("it failed".to_owned()),
        };
        let request = request("wharf", "node-1", std::slice::from_ref(&span));
        let span_document = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span_document["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span_document["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(span_document["spanId"], span.trace.span_id.to_string());
        assert_eq!(span_document["startTimeUnixNano"], "1767225600000000001");
        assert_eq!(span_document["attributes"][1]["value"], json!({"intValue": "200"}));
        assert_eq!(span_document["status"], json!({"code": 2, "message": "it failed"}));
        let resource = &request["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(resource[2], json!({"key": "service.instance.id", "value": {"stringValue": "node-1"}}));
    }
}
