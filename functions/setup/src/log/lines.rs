//! Events as lines: one line an event, each field once, ids of conversations shortened.

use std::fmt::{Debug, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::conceal::{conceal, conceal_id};

/// The format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Writes each event as a line. The event has the fields of its spans, except those that the event itself or an inner span sets.
pub(super) struct Lines<W> {
    form: Form,
    write: W,
}

impl<W: Fn(&str)> Lines<W> {
    /// `write` gets one whole line at a time.
    pub(super) fn new(form: Form, write: W) -> Self {
        Self { form, write }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut newer = Fields::default();
            values.record(&mut newer);
            let mut extensions = span.extensions_mut();
            if let Some(older) = extensions.remove::<Fields>() {
                newer.add(&older);
            }
            extensions.replace(newer);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.add(of_span);
            }
        }
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let line = match self.form {
            Form::Text => text(level, target, &fields),
            Form::Json => json(level, target, &fields),
        };
        (self.write)(&line);
    }
}

/// Values by name, in the order in which they came.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.0.iter();
        fields
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value)
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if self.get(name).is_none() {
            self.0.push((name, value));
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let text = match field.name() {
            // The id of a request, not of a conversation: clients get the first, and AWS names the others in its own lines.
            "request" | "requestId" | "xrayTraceId" => text.to_owned(),
            "conversation" => conceal_id(text),
            _ => conceal(text),
        };
        self.put(field, Value::from(text));
    }

    /// Adds the fields that are missing.
    fn add(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            if self.get(name).is_none() {
                self.0.push((name, value.clone()));
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, &format!("{value:?}"));
    }
}

const MESSAGE: &str = "message";

/// The line that says how many lines are missing before it.
pub(super) fn lost(form: Form, count: u64) -> String {
    let target = "baton_setup::log";
    let message = "lines of the log were lost: nobody read them in time";
    let fields = Fields(vec![
        (MESSAGE, Value::from(message)),
        ("count", Value::from(count)),
    ]);
    match form {
        Form::Text => text(Level::WARN, target, &fields),
        Form::Json => json(Level::WARN, target, &fields),
    }
}

fn json(level: Level, target: &str, fields: &Fields) -> String {
    // The message first: readers look for it.
    let message = fields.get(MESSAGE).map(|message| (MESSAGE, message));
    let others = fields.0.iter().filter(|(name, _)| *name != MESSAGE);
    let others = others.map(|(name, value)| (*name, value));
    let written: Vec<_> = message
        .into_iter()
        .chain(others)
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    format!(
        "{{\"timestamp\":\"{}\",\"level\":\"{level}\",\"fields\":{{{}}},\"target\":{}}}\n",
        now(),
        written.join(","),
        Value::from(target),
    )
}

fn text(level: Level, target: &str, fields: &Fields) -> String {
    let message = fields.get(MESSAGE).and_then(Value::as_str);
    let mut line = format!("{} {} {target}: ", now(), coloured(level));
    line += &plain(message.unwrap_or_default());
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != MESSAGE) {
        let value = match value.as_str() {
            Some(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => plain(word),
            Some(_) | None => value.to_string(),
        };
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

/// On one line, and without characters that a terminal interprets.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

fn coloured(level: Level) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m")
}

fn now() -> String {
    let mut now = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut now));
    now
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn lines_of(form: Form, log: impl FnOnce()) -> Vec<String> {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = lines.clone();
        let write = move |line: &str| kept.lock().unwrap().push(line.to_owned());
        let subscriber = tracing_subscriber::registry().with(Lines::new(form, write));
        tracing::subscriber::with_default(subscriber, log);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn a_field_stands_in_a_line_once_and_the_innermost_counts() {
        let log = || {
            let _request = tracing::info_span!("request", request = "r-1", turn = 1).entered();
            let turn = tracing::info_span!(
                "turn",
                conversation = "my-own-conversation",
                turn = 2,
                late = tracing::field::Empty
            );
            turn.record("late", true);
            let _turn = turn.entered();
            tracing::info!(conversation = "my-own-conversation", "a turn ended");
        };
        let lines = lines_of(Form::Json, log);
        let [line] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        let (_, fields) = line.split_once("\"fields\":").unwrap();
        assert_eq!(
            fields,
            "{\"message\":\"a turn ended\",\"conversation\":\"my-own-c…\",\"late\":true,\"turn\":2,\"request\":\"r-1\"},\
             \"target\":\"baton_setup::log::lines::tests\"}\n"
        );
    }

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        for form in [Form::Text, Form::Json] {
            let log = || {
                let error = "two\nlines\u{1b}[2J";
                tracing::warn!(%error, text = error, "it\nfailed");
            };
            let lines = lines_of(form, log);
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].matches('\n').count(), 1, "{lines:?}");
            assert!(!lines[0].contains("\u{1b}[2J"), "{lines:?}");
        }
    }

    #[test]
    fn text_says_what_json_says() {
        let log = || {
            tracing::error!(
                action = "my-own-conversation.1.00112233445566778899aabbccddeeff",
                tries = 3,
                why = "too late",
                "lost"
            );
        };
        let lines = lines_of(Form::Text, log);
        assert!(
            lines[0].ends_with(
                "baton_setup::log::lines::tests: lost action=my-own-c….1.00112233445566778899aabbccddeeff tries=3 why=\"too late\"\n"
            ),
            "{lines:?}"
        );
    }
}
