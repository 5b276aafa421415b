//! What a client accepts. Anything that cannot be read is as if it had not been sent: a scrape never fails here.
//!
//! Source: RFC 9110, sections 12.5.1 and 12.5.3; the headers that Prometheus 2.x and 3.x send.

use crate::expose::encode::Format;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The format.
    pub format: Format,
    /// Whether the client sent a known `escaping`, which is then named in the answer: underscores, always true here.
    pub escaping: bool,
    /// Whether it is compressed.
    pub gzip: bool,
}

impl Answer {
    /// Chooses by the `Accept` and `Accept-Encoding` headers.
    pub fn to(accept: Option<&str>, accept_encoding: Option<&str>) -> Self {
        let (format, escaping) = accept.map_or((Format::Text, false), format);
        Self {
            format,
            escaping,
            gzip: accept_encoding.is_some_and(gzip),
        }
    }

    /// The `Content-Type`. Prometheus 3 fails the scrape on any other.
    pub fn content_type(self) -> &'static str {
        match (self.format, self.escaping) {
            (Format::Text, _) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::OpenMetrics, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// A range of `Accept` that takes one of our formats in.
#[derive(Clone, Copy)]
struct Range {
    /// Of ranges that take the same format in, the most specific decides (RFC 9110, section 12.5.1): `*/*`, `text/*`,
    /// the type, the type with its version.
    specificity: u8,
    weight: f64,
    position: usize,
    escaping: bool,
}

impl Range {
    /// Of two for the same format the one that decides.
    fn or(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if (before.specificity, before.weight) >= (self.specificity, self.weight) => before,
            _ => self,
        }
    }
}

/// The format with the higher weight; of equal ones the first. Where neither is accepted, it is the one that is not
/// refused: text, unless only OpenMetrics is not.
///
/// OpenMetrics is for those who name it with its version: a wildcard is for what everybody can read.
fn format(accept: &str) -> (Format, bool) {
    let (mut text, mut open_metrics): (Option<Range>, Option<Range>) = (None, None);
    for (position, element) in accept.split(',').enumerate() {
        let mut pieces = element.split(';').map(str::trim);
        let media_type = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let (mut version, mut weight, mut escaping) = (None, 1.0, false);
        for parameter in pieces {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => version = Some(value),
                "q" => weight = self::weight(value),
                "escaping" => {
                    escaping = ["allow-utf-8", "underscores", "dots", "values"].contains(&value);
                }
                _ => {}
            }
        }
        let (format, specificity) = match (media_type.as_str(), version) {
            ("application/openmetrics-text", Some("1.0.0")) => (&mut open_metrics, 3),
            ("text/plain", Some("0.0.4")) => (&mut text, 3),
            ("text/plain", None) => (&mut text, 2),
            ("text/*", _) => (&mut text, 1),
            ("*/*", _) => (&mut text, 0),
            _ => continue,
        };
        let range = Range {
            specificity,
            weight,
            position,
            escaping,
        };
        *format = Some(range.or(*format));
    }
    let is_open_metrics = match (&text, &open_metrics) {
        (_, None) => text.is_some_and(|text| text.weight == 0.0 && text.specificity > 0),
        (None, Some(open_metrics)) => open_metrics.weight > 0.0,
        (Some(text), Some(open_metrics)) => {
            open_metrics.weight > text.weight
                || (open_metrics.weight == text.weight
                    && open_metrics.weight > 0.0
                    && open_metrics.position < text.position)
        }
    };
    let escaping = is_open_metrics && open_metrics.is_some_and(|range| range.escaping);
    match is_open_metrics {
        true => (Format::OpenMetrics, escaping),
        false => (Format::Text, false),
    }
}

/// A weight, from 0 to 1; what is none is a refusal.
fn weight(text: &str) -> f64 {
    text.parse()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0)
}

/// Whether gzip is accepted with a weight above 0; `*` stands for it where it is not named.
fn gzip(accept_encoding: &str) -> bool {
    let mut any = false;
    for element in accept_encoding.split(',') {
        let mut pieces = element.split(';').map(str::trim);
        let coding = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let weight = pieces
            .find_map(|parameter| {
                parameter
                    .to_ascii_lowercase()
                    .strip_prefix("q=")
                    .map(str::to_owned)
            })
            .map_or(1.0, |text| weight(&text));
        match coding.as_str() {
            "gzip" | "x-gzip" => return weight > 0.0,
            "*" => any = weight > 0.0,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3_PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
        text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    #[test]
    fn formats() {
        let text = "text/plain; version=0.0.4; charset=utf-8";
        let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let escaping = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
        let table = [
            (Some(PROMETHEUS_3), escaping),
            (Some(PROMETHEUS_3_PROTOBUF), escaping),
            (Some(PROMETHEUS_2), open_metrics),
            (None, text),
            (Some("*/*"), text),
            (
                Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                text,
            ),
            (Some("application/openmetrics-text"), text),
            (Some("application/openmetrics-text;version=0.0.1"), text),
            (
                Some("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1"),
                text,
            ),
            (
                Some("application/openmetrics-text;version=1.0.0;escaping=nonsense"),
                open_metrics,
            ),
            (Some("application/openmetrics-text;version=1.0.0;q=0"), text),
            (Some(";;,=,\u{1f600}"), text),
            // The more specific range decides, wherever it stands.
            (Some("text/plain;q=0, text/*"), open_metrics),
            (Some("text/*, text/plain;q=0"), open_metrics),
            (Some("text/plain;q=0, */*;q=0.1"), open_metrics),
            (Some("text/plain;q=0, text/plain;version=0.0.4;q=0.1"), text),
            (Some("text/*;q=0, text/plain"), text),
            (Some("text/plain;version=1.0.0;q=0, text/plain"), text),
            (
                Some("text/plain;q=0.2, application/openmetrics-text;version=1.0.0;q=0.5, text/*, */*"),
                open_metrics,
            ),
            (
                Some("text/plain;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5, text/*;q=0.1"),
                text,
            ),
            (
                Some("text/plain;q=0, application/openmetrics-text;version=1.0.0;q=0"),
                text,
            ),
            // Nothing is accepted, which is as if nothing had been sent.
            (Some("*/*;q=0"), text),
            // Weights that are none.
            (
                Some("application/openmetrics-text;version=1.0.0;q=2, text/plain;q=0.1"),
                text,
            ),
            (
                Some("application/openmetrics-text;version=1.0.0;q=NaN, text/plain;q=0.1"),
                text,
            ),
        ];
        for (accept, expected) in table {
            assert_eq!(Answer::to(accept, None).content_type(), expected, "{accept:?}");
        }
    }

    #[test]
    fn encodings() {
        let table = [
            (Some("gzip"), true),
            (Some("gzip;q=0"), false),
            (Some("identity"), false),
            (None, false),
            (Some("deflate, gzip;q=0.5"), true),
            (Some("*"), true),
            (Some("gzip;q=0, *"), false),
        ];
        for (accept_encoding, expected) in table {
            assert_eq!(
                Answer::to(None, accept_encoding).gzip,
                expected,
                "{accept_encoding:?}"
            );
        }
    }
}
