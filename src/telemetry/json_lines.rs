//! The log's JSON lines, each written in one pass.
//!
//! tracing-subscriber's own JSON keeps the fields of a span as one object, and reads it back for
//! every field that is added and for every line inside of the span: a third of what a cached read
//! cost. Here they are kept the way they are written: `,"name":value` behind each other.
//!
//! An event named [`GATHERED`] carries what a span would have told, in fields whose names begin with
//! `span.`: the line is the same, for a fraction of a span in which nothing else is logged.
//!
//! **Invariants.** A line is one JSON object without a line break, whatever the values hold. A field
//! of a span that is recorded again has its last value, once.

use super::log::GATHERED;
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use std::fmt::{self, Debug, Write};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes fields: `,"name":value` each.
pub struct JsonFields;

/// Writes lines: `timestamp`, `level`, the event's fields, `target`, and the `span` it is in.
pub struct JsonLine;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut visitor = Fields::all(&mut writer);
        fields.record(&mut visitor);
        visitor.written
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut again = Repeated { before: &current.fields, found: false };
        fields.record(&mut again);
        let (repeated, length) = (again.found, current.fields.len());
        let mut visitor = Fields::all(&mut current.fields);
        fields.record(&mut visitor);
        if visitor.written.is_err() {
            // A value that cannot be shown; half of it would spoil every line to come.
            current.fields.truncate(length);
        } else if repeated {
            current.fields = last_of_each(&current.fields)?;
        }
        Ok(())
    }
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Of what comes from the `log` crate, where it was logged.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        #[expect(clippy::disallowed_methods, reason = "when a line was written is never simulated")]
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        write!(writer, r#"{{"timestamp":"{now}","level":"{}""#, metadata.level())?;
        let carries_span = metadata.name() == GATHERED;
        let mut own = if carries_span {
            Fields::only(Of::Event, &mut writer)
        } else {
            Fields::all(&mut writer)
        };
        event.record(&mut own);
        own.written?;
        writer.write_str(r#","target":"#)?;
        string(&mut writer, metadata.target())?;
        if carries_span {
            writer.write_str(r#","span":{"#)?;
            let mut carried = Fields::only(Of::CarriedSpan, &mut writer);
            event.record(&mut carried);
            carried.written?;
            return writer.write_str("}}\n");
        }
        let span =
            event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current());
        if let Some(span) = span {
            writer.write_str(r#","span":{"name":"#)?;
            string(&mut writer, span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(&fields.fields)?;
            }
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

/// Begins the names of fields that an event carries for a span.
const OF_SPAN: &str = "span.";

/// Writes each field that it is shown, or only those of an event, or of the span that it carries.
struct Fields<'a> {
    to: &'a mut dyn Write,
    only: Option<Of>,
    /// Before the next name.
    begin: &'static str,
    written: fmt::Result,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Event,
    CarriedSpan,
}

impl<'a> Fields<'a> {
    fn all(to: &'a mut dyn Write) -> Self {
        Self { to, only: None, begin: ",\"", written: Ok(()) }
    }

    fn only(of: Of, to: &'a mut dyn Write) -> Self {
        let begin = if of == Of::Event { ",\"" } else { "\"" };
        Self { only: Some(of), begin, ..Self::all(to) }
    }

    fn field(&mut self, field: &Field, value: impl FnOnce(&mut dyn Write) -> fmt::Result) {
        let mut name = name(field);
        if let Some(only) = self.only {
            let carried = name.strip_prefix(OF_SPAN);
            if carried.is_some() != (only == Of::CarriedSpan) {
                return;
            }
            name = carried.unwrap_or(name);
        }
        if self.written.is_ok() {
            self.written = (|| {
                self.to.write_str(self.begin)?;
                self.begin = ",\"";
                // The program's own words: none needs to be escaped.
                self.to.write_str(name)?;
                self.to.write_str("\":")?;
                value(self.to)
            })();
        }
    }
}

impl Visit for Fields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |to| write!(to, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |to| write!(to, "{}", Value::from(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |to| string(to, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field, |to| quoted(to, |inside| write!(inside, "{value:?}")));
    }
}

/// The name of a field, without what the language needs where it is a keyword.
fn name(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// Whether a field that it is shown was written before.
struct Repeated<'a> {
    before: &'a str,
    found: bool,
}

impl Visit for Repeated<'_> {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        // Within a string a quotation mark has a backslash before it, and never a comma.
        let written = |at: usize| {
            let rest = &self.before[at..];
            rest.strip_prefix(name(field)).is_some_and(|rest| rest.starts_with("\":"))
        };
        self.found |= self.before.match_indices(",\"").any(|(at, mark)| written(at + mark.len()));
    }
}

/// Fields, each with its last value.
fn last_of_each(fields: &str) -> Result<String, fmt::Error> {
    let object = format!("{{{}}}", fields.trim_start_matches(','));
    let object: Map<String, Value> = serde_json::from_str(&object).map_err(|_| fmt::Error)?;
    let mut written = String::with_capacity(fields.len());
    for (name, value) in object {
        written.push(',');
        string(&mut written, &name)?;
        write!(written, ":{value}")?;
    }
    Ok(written)
}

/// A JSON string.
fn string(to: &mut dyn Write, text: &str) -> fmt::Result {
    quoted(to, |inside| inside.write_str(text))
}

/// A JSON string of what is written inside.
fn quoted(to: &mut dyn Write, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) -> fmt::Result {
    to.write_char('"')?;
    write(&mut Escaped(to))?;
    to.write_char('"')
}

/// The inside of a JSON string (RFC 8259 §7).
struct Escaped<'a>(&'a mut dyn Write);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| !is_plain(&byte)) {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            match special.as_bytes()[0] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &special[1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::field::{Empty, display};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` logs.
    fn lines_of(work: impl FnOnce()) -> Vec<Map<String, Value>> {
        let lines = Lines::default();
        let sink = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields)
            .event_format(JsonLine)
            .with_writer(move || sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_its_fields_as_they_are_and_the_innermost_span() {
        let lines = lines_of(|| {
            let _outer = tracing::info_span!("outer", a = 1).entered();
            let _inner = tracing::info_span!("inner", method = %"GET", late = Empty).entered();
            tracing::warn!(
                status = 200_u16,
                below = -1,
                ok = true,
                ratio = 0.5,
                r#type = "x",
                "done"
            );
        });
        let line = Value::Object(lines[0].clone());
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(timestamp).is_ok() && timestamp.len() == 24);
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "done");
        assert_eq!((&line["status"], &line["below"]), (&200.into(), &(-1).into()));
        assert_eq!((&line["ok"], &line["ratio"]), (&true.into(), &0.5.into()));
        assert_eq!(line["type"], "x");
        assert_eq!(line["target"], module_path!());
        assert_eq!(line["span"], serde_json::json!({"name": "inner", "method": "GET"}));
    }

    #[test]
    fn whatever_a_value_holds_is_one_line_and_comes_back_as_it_was() {
        let all: String = ('\0'..='\u{a0}').chain("\u{2028}é😀\",\"a\":1}".chars()).collect();
        let lines = lines_of(|| {
            let _span = tracing::info_span!("span", all).entered();
            tracing::info!(shown = %all, nothing = f64::NAN, error = ?Err::<(), _>("\"\n"), "{all}");
        });
        assert_eq!(lines.len(), 1);
        let line = Value::Object(lines[0].clone());
        for value in [&line["span"]["all"], &line["shown"], &line["message"]] {
            assert_eq!(value.as_str(), Some(all.as_str()));
        }
        assert_eq!(line["nothing"], Value::Null);
        assert_eq!(line["error"], r#"Err("\"\n")"#);
    }

    #[test]
    fn a_field_recorded_later_is_there_and_recorded_again_has_its_last_value_once() {
        let lines = lines_of(|| {
            let span = tracing::info_span!("span", a = ",\"late\":", late = Empty);
            let _entered = span.clone().entered();
            tracing::info!("before");
            span.record("late", display("one\""));
            tracing::info!("one");
            span.record("late", 2);
            tracing::info!("two");
        });
        let span = |at: usize| Value::Object(lines[at].clone())["span"].clone();
        assert_eq!(span(0), serde_json::json!({"name": "span", "a": ",\"late\":"}));
        assert_eq!(span(1)["late"], "one\"");
        assert_eq!(span(2), serde_json::json!({"name": "span", "a": ",\"late\":", "late": 2}));
    }

    #[test]
    fn an_event_carries_what_a_span_would_have_told() {
        let lines = lines_of(|| {
            let (id, none) = ("a\"b", None::<&str>);
            tracing::info_span!("request", %id, status = 1, none, late = Empty).in_scope(|| {
                tracing::info!(status = 2, "done");
            });
            tracing::info!(
                name: GATHERED,
                status = 2,
                "span.name" = "request",
                "span.id" = %id,
                "span.status" = 1,
                "span.none" = none,
                "done"
            );
        });
        let [inside, carried] = lines.as_slice() else { panic!("{lines:?}") };
        let names = |line: &Map<String, Value>| line.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(inside), names(carried));
        assert_eq!(
            inside["span"],
            serde_json::json!({"name": "request", "id": "a\"b", "status": 1})
        );
        for (name, value) in carried {
            assert!(name == "timestamp" || *value == inside[name], "{name}");
        }
    }

    #[test]
    fn a_name_is_repeated_only_where_it_is_a_name() {
        let fields = ",\"a\":\"b,\",\"c\":\"\\\",\\\"d\\\":\"";
        let span = tracing::info_span!("span", a = 1, b = 1, c = 1, d = 1);
        let is_repeated = |name: &str| {
            let field = span.metadata().unwrap().fields().field(name).unwrap();
            let mut repeated = Repeated { before: fields, found: false };
            repeated.record_debug(&field, &0);
            repeated.found
        };
        assert_eq!(["a", "b", "c", "d"].map(is_repeated), [true, false, true, false]);
        assert_eq!(last_of_each(",\"a\":1,\"b\":2,\"a\":\"3\"").unwrap(), ",\"a\":\"3\",\"b\":2");
    }
}
