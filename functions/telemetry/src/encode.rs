//! Writes a trace in the messages of OpenTelemetry's protocol.

use baton_handoff::ports::Millis;
use baton_handoff::trace::{Attribute, Kind, Span, SpanContext, SpanEvent, Trace, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Sent, Status};

/// The W3C flags of every span: it is recorded.
const SAMPLED: u32 = 1;

/// A resource with these attributes.
pub(crate) fn resource(attributes: &[(String, String)]) -> Resource {
    let attributes = attributes.iter();
    Resource {
        attributes: attributes
            .map(|(name, value)| key_value(name, Any::StringValue(value.clone())))
            .collect(),
        ..Resource::default()
    }
}

/// The body of a request with this trace.
pub(crate) fn request(trace: &Trace, resource: &Resource) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "baton".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: trace.spans.iter().map(span).collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

fn span(span: &Span) -> Sent {
    let parent = span.parent.map(|parent| parent.span.0.to_vec());
    let error = span.error.as_deref();
    let failed = error.map(|error| {
        let name = baton_handoff::trace::names::ERROR;
        key_value(name, Any::StringValue(error.to_owned()))
    });
    Sent {
        trace_id: span.context.trace.0.to_vec(),
        span_id: span.context.span.0.to_vec(),
        trace_state: String::new(),
        parent_span_id: parent.unwrap_or_default(),
        flags: SAMPLED,
        name: span.name.clone(),
        kind: match span.kind {
            Kind::Internal => SpanKind::Internal.into(),
            Kind::Client => SpanKind::Client.into(),
        },
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end),
        attributes: attributes(&span.attributes).chain(failed).collect(),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().copied().map(link).collect(),
        status: error.map(|error| Status {
            code: StatusCode::Error.into(),
            message: error.to_owned(),
        }),
        ..Sent::default()
    }
}

fn event(event: &SpanEvent) -> Event {
    Event {
        time_unix_nano: nanos(event.at),
        name: event.name.to_owned(),
        attributes: attributes(&event.attributes).collect(),
        dropped_attributes_count: 0,
    }
}

fn link(to: SpanContext) -> Link {
    Link {
        trace_id: to.trace.0.to_vec(),
        span_id: to.span.0.to_vec(),
        flags: SAMPLED,
        ..Link::default()
    }
}

fn attributes(attributes: &[Attribute]) -> impl Iterator<Item = KeyValue> {
    attributes
        .iter()
        .map(|Attribute { name, value }| key_value(name, any(value)))
}

fn any(value: &Value) -> Any {
    match value {
        Value::Text(text) => Any::StringValue(text.clone()),
        Value::Number(number) => Any::IntValue(*number),
        Value::Fraction(fraction) => Any::DoubleValue(*fraction),
        Value::Truth(truth) => Any::BoolValue(*truth),
        Value::Texts(texts) => {
            let texts = texts.iter().cloned().map(Any::StringValue);
            Any::ArrayValue(ArrayValue {
                values: texts.map(|text| AnyValue { value: Some(text) }).collect(),
            })
        }
    }
}

fn key_value(name: &str, value: Any) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn nanos(at: Millis) -> u64 {
    at.saturating_mul(1_000_000)
}
