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
            (Format::Protobuf, false) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
            (Format::Protobuf, true) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=underscores"
            }
            (Format::OpenMetrics, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// A range of `Accept` that takes one of our formats in.
#[derive(Debug, Clone, Copy)]
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

/// What a media range says beside its type.
#[derive(Default)]
struct Parameters<'a> {
    version: Option<&'a str>,
    proto: Option<&'a str>,
    encoding: Option<&'a str>,
    weight: Option<f64>,
    escaping: bool,
}

impl<'a> Parameters<'a> {
    fn read(pieces: impl Iterator<Item = &'a str>) -> Self {
        let mut parameters = Self::default();
        for (name, value) in pieces.filter_map(|piece| piece.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => parameters.version = Some(value),
                "proto" => parameters.proto = Some(value),
                "encoding" => parameters.encoding = Some(value),
                "q" => parameters.weight = Some(weight(value)),
                "escaping" => {
                    parameters.escaping = ["allow-utf-8", "underscores", "dots", "values"].contains(&value);
                }
                _ => {}
            }
        }
        parameters
    }
}

/// The format with the highest weight; of equal ones the first. Where none is accepted, it is the one that is not
/// refused: text, unless only OpenMetrics is not.
///
/// OpenMetrics is for those who name it with its version, protobuf for those who name its message and its encoding: a
/// wildcard is for what everybody can read.
fn format(accept: &str) -> (Format, bool) {
    // By format.
    let mut ranges: [Option<Range>; 3] = [None; 3];
    for (position, element) in accept.split(',').enumerate() {
        let mut pieces = element.split(';').map(str::trim);
        let media_type = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let parameters = Parameters::read(pieces);
        let (format, specificity) = match (media_type.as_str(), &parameters) {
            (
                "application/vnd.google.protobuf",
                Parameters {
                    proto: Some("io.prometheus.client.MetricFamily"),
                    encoding: Some("delimited"),
                    ..
                },
            ) => (Format::Protobuf, 3),
            (
                "application/openmetrics-text",
                Parameters {
                    version: Some("1.0.0"),
                    ..
                },
            ) => (Format::OpenMetrics, 3),
            (
                "text/plain",
                Parameters {
                    version: Some("0.0.4"),
                    ..
                },
            ) => (Format::Text, 3),
            ("text/plain", Parameters { version: None, .. }) => (Format::Text, 2),
            ("text/*", _) => (Format::Text, 1),
            ("*/*", _) => (Format::Text, 0),
            _ => continue,
        };
        let range = Range {
            specificity,
            weight: parameters.weight.unwrap_or(1.0),
            position,
            escaping: parameters.escaping,
        };
        let of_format = &mut ranges[format as usize];
        *of_format = Some(range.or(*of_format));
    }
    let formats = [Format::Text, Format::OpenMetrics, Format::Protobuf];
    let accepted = formats.into_iter().zip(ranges);
    let accepted =
        accepted.filter_map(|(format, range)| Some((format, range.filter(|range| range.weight > 0.0)?)));
    let best = accepted.reduce(|best, other| {
        let (one, two) = (best.1, other.1);
        let is_better = two.weight > one.weight || (two.weight == one.weight && two.position < one.position);
        if is_better { other } else { best }
    });
    let [text, open_metrics, _] = ranges;
    match best {
        Some((Format::Text, _)) => (Format::Text, false),
        Some((format, range)) => (format, range.escaping),
        None if open_metrics.is_none() && text.is_some_and(|text| text.specificity > 0) => {
            (Format::OpenMetrics, false)
        }
        None => (Format::Text, false),
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

    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const PROTOBUF: &str =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

    /// What servers send, in their own short forms: `PB`, `OM1`, `OM0`, `T1`, `T0`, `ESC` (see [`written_out`]).
    const SERVERS: [(&str, &str, &str, bool); 20] = [
        (
            "2.34 - 2.48",
            "OM1,OM0;q=0.75,T0;q=0.5,*/*;q=0.1",
            OPEN_METRICS,
            false,
        ),
        (
            "2.40 - 2.48, native histograms",
            "PB,OM1;q=0.8,OM0;q=0.75,T0;q=0.5,*/*;q=0.1",
            PROTOBUF,
            false,
        ),
        (
            "2.49 - 2.55",
            "OM1;q=0.5,OM0;q=0.4,T0;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
            false,
        ),
        (
            "2.49 - 2.55, protobuf first",
            "PB;q=0.5,OM1;q=0.4,OM0;q=0.3,T0;q=0.2,*/*;q=0.1",
            PROTOBUF,
            false,
        ),
        (
            "2.55, utf8-names",
            "OM1ESC;q=0.5,OM0ESC;q=0.4,T0ESC;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
            true,
        ),
        (
            "2.55, utf8-names, protobuf first",
            "PBESC;q=0.5,OM1ESC;q=0.4,OM0ESC;q=0.3,T0ESC;q=0.2,*/*;q=0.1",
            PROTOBUF,
            true,
        ),
        (
            "3.0 - 3.2.0",
            "OM1ESC;q=0.6,OM0ESC;q=0.5,T1ESCESC;q=0.4,T0ESC;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
            true,
        ),
        (
            "3.0 - 3.2.0, protobuf first",
            "PBESC;q=0.6,OM1ESC;q=0.5,OM0ESC;q=0.4,T1ESCESC;q=0.3,T0ESC;q=0.2,*/*;q=0.1",
            PROTOBUF,
            true,
        ),
        (
            "3.2.1 - 3.3",
            "OM1ESC;q=0.6,OM0ESC;q=0.5,T1ESC;q=0.4,T0ESC;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
            true,
        ),
        (
            "3.4 - 3.14",
            "OM1ESC;q=0.6,OM0;q=0.5,T1ESC;q=0.4,T0;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
            true,
        ),
        (
            "3.4 - 3.14, protobuf first",
            "PB;q=0.6,OM1ESC;q=0.5,OM0;q=0.4,T1ESC;q=0.3,T0;q=0.2,*/*;q=0.1",
            PROTOBUF,
            false,
        ),
        // Of later versions what is known is the rule by which weights are made.
        (
            "weights from 7",
            "OM1ESC;q=0.7,OM0;q=0.6,T1ESC;q=0.5,T0;q=0.4,*/*;q=0.3",
            OPEN_METRICS,
            true,
        ),
        (
            "OpenMetrics 2 before protobuf",
            "OM2;q=0.7,PB;q=0.6,OM1;q=0.5,OM0;q=0.4,T1;q=0.3,T0;q=0.2,*/*;q=0.1",
            PROTOBUF,
            false,
        ),
        ("OpenMetrics 2 alone", "OM2;q=0.7,*/*;q=0.6", TEXT, false),
        ("one protocol: text", "T0;q=0.6,*/*;q=0.5", TEXT, false),
        ("one protocol: protobuf", "PB;q=0.6,*/*;q=0.5", PROTOBUF, false),
        (
            "protobuf last",
            "OM1ESC;q=0.6,T0;q=0.5,PB;q=0.4,*/*;q=0.3",
            OPEN_METRICS,
            true,
        ),
        ("text before protobuf", "T0;q=0.6,PB;q=0.5,*/*;q=0.4", TEXT, false),
        ("VictoriaMetrics", "T0;q=1,*/*;q=0.1", TEXT, false),
        (
            "Alloy",
            "PB;q=0.6,OM1;escaping=underscores;q=0.5,OM0;q=0.4,T1;escaping=underscores;q=0.3,T0;q=0.2,*/*;q=0.1",
            PROTOBUF,
            false,
        ),
    ];

    fn written_out(short: &str) -> String {
        let forms = [
            ("ESC", ";escaping=allow-utf-8"),
            (
                "PB",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            ),
            ("OM2", "application/openmetrics-text;version=2.0.0"),
            ("OM1", "application/openmetrics-text;version=1.0.0"),
            ("OM0", "application/openmetrics-text;version=0.0.1"),
            ("T1", "text/plain;version=1.0.0"),
            ("T0", "text/plain;version=0.0.4"),
        ];
        let all = forms.iter();
        all.fold(short.to_owned(), |text, (form, long)| text.replace(form, long))
    }

    #[test]
    fn every_server_gets_what_it_wants_most() {
        for (server, short, expected, escaping) in SERVERS {
            let accept = written_out(short);
            let expected = match escaping {
                true => format!("{expected}; escaping=underscores"),
                false => expected.to_owned(),
            };
            assert_eq!(
                Answer::to(Some(&accept), None).content_type(),
                expected,
                "{server}"
            );
        }
    }

    #[test]
    fn protobuf_is_for_those_who_name_it_and_want_it_most() {
        let table = [
            ("PB", PROTOBUF),
            ("PB;q=0.001", PROTOBUF),
            ("PB;q=0", TEXT),
            ("PB;q=0,text/plain;q=0", OPEN_METRICS),
            ("PB;q=0.1,text/plain;q=0", PROTOBUF),
            ("PB;q=0.5,*/*;q=0.6", TEXT),
            ("PB,*/*", PROTOBUF),
            ("*/*,PB", TEXT),
            ("OM1,PB", OPEN_METRICS),
            ("PB,OM1", PROTOBUF),
            ("PB;q=0.5,PB;q=0.9,OM1;q=0.7", PROTOBUF),
            ("application/vnd.google.protobuf", TEXT),
            ("application/vnd.google.protobuf;encoding=delimited", TEXT),
            ("application/*,application/vnd.google.protobuf;q=0.5", TEXT),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                TEXT,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text,T0;q=0.1",
                TEXT,
            ),
            (
                "Application/Vnd.Google.Protobuf; Encoding=\"delimited\" ; PROTO=io.prometheus.client.MetricFamily",
                PROTOBUF,
            ),
        ];
        for (short, expected) in table {
            let accept = written_out(short);
            assert_eq!(
                Answer::to(Some(&accept), None).content_type(),
                expected,
                "{short}"
            );
        }
    }

    #[test]
    fn formats() {
        let (text, open_metrics) = (TEXT, OPEN_METRICS);
        let table = [
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
