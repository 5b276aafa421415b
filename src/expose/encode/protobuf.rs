//! Protobuf: a length and a message `io.prometheus.client.MetricFamily` for each family.
//!
//! Source: `prompb/io/prometheus/client/metrics.proto` of Prometheus; the encoding of Protocol Buffers. Written by hand:
//! it is ten messages that are only ever written, each in one place, and a generator would bring its own types for what
//! [`super::super::point`] has already. Numbers are written where they are 0 too, for readers that ask whether a field
//! is there.

use crate::expose::point::{Exemplar, Family, Histogram, Kind, Label, Native, Number, Sink, Start, Value};

// The numbers of fields, by their messages.

const FAMILY_NAME: u64 = 1;
const FAMILY_HELP: u64 = 2;
const FAMILY_TYPE: u64 = 3;
const FAMILY_METRIC: u64 = 4;
const FAMILY_UNIT: u64 = 5;

const METRIC_LABEL: u64 = 1;
const METRIC_GAUGE: u64 = 2;
const METRIC_COUNTER: u64 = 3;
const METRIC_HISTOGRAM: u64 = 7;

const LABEL_NAME: u64 = 1;
const LABEL_VALUE: u64 = 2;

const GAUGE_VALUE: u64 = 1;

const COUNTER_VALUE: u64 = 1;
const COUNTER_EXEMPLAR: u64 = 2;
const COUNTER_START: u64 = 3;

const HISTOGRAM_COUNT: u64 = 1;
const HISTOGRAM_SUM: u64 = 2;
const HISTOGRAM_BUCKET: u64 = 3;
const HISTOGRAM_SCHEMA: u64 = 5;
const HISTOGRAM_ZERO_THRESHOLD: u64 = 6;
const HISTOGRAM_ZERO_COUNT: u64 = 7;
const HISTOGRAM_POSITIVE_SPAN: u64 = 12;
const HISTOGRAM_POSITIVE_DELTA: u64 = 13;
const HISTOGRAM_START: u64 = 15;

const BUCKET_CUMULATIVE_COUNT: u64 = 1;
const BUCKET_UPPER_BOUND: u64 = 2;
const BUCKET_EXEMPLAR: u64 = 3;

const SPAN_OFFSET: u64 = 1;
const SPAN_LENGTH: u64 = 2;

const EXEMPLAR_LABEL: u64 = 1;
const EXEMPLAR_VALUE: u64 = 2;
const EXEMPLAR_TIME: u64 = 3;

const TIMESTAMP_SECONDS: u64 = 1;
const TIMESTAMP_NANOS: u64 = 2;

/// Seconds and nanoseconds in Unix time.
type Time = (u64, u64);

/// How a field is written.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;

/// Encodes protobuf. All its buffers are kept from family to family.
#[derive(Debug)]
pub(in crate::expose) struct Protobuf {
    /// Whole families.
    written: Vec<u8>,
    kind: Kind,
    /// The fields of the family before its metrics.
    head: Vec<u8>,
    /// Those of its metrics that have been written.
    metrics: Vec<u8>,
    /// The labels of what the points are of, as they are written.
    labels: Vec<u8>,
    process_start: Time,
    work_start: Time,
}

impl Sink for Protobuf {
    fn family(&mut self, family: &Family<'_>) {
        self.end_family();
        self.kind = family.kind;
        let kind = match family.kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Histogram => 4,
        };
        // As it stands: nobody adds what says that it is a counter.
        let suffix = if family.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        let to = &mut self.head;
        nested(to, FAMILY_NAME, |to| {
            to.extend_from_slice(family.name.as_bytes());
            to.extend_from_slice(suffix.as_bytes());
        });
        text(to, FAMILY_HELP, family.help);
        number(to, FAMILY_TYPE, kind);
        if let Some(unit) = family.unit() {
            text(to, FAMILY_UNIT, unit);
        }
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.labels.clear();
        write_labels(&mut self.labels, METRIC_LABEL, labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        let Self {
            kind,
            metrics,
            labels: of,
            process_start,
            work_start,
            ..
        } = self;
        nested(metrics, FAMILY_METRIC, |to| {
            to.extend_from_slice(of);
            write_labels(to, METRIC_LABEL, labels);
            match value {
                Value::Histogram(histogram) => {
                    nested(to, METRIC_HISTOGRAM, |to| {
                        write_histogram(to, histogram, *work_start)
                    });
                }
                Value::Number(number) if *kind == Kind::Counter => nested(to, METRIC_COUNTER, |to| {
                    double(to, COUNTER_VALUE, as_double(number));
                    write_start(to, COUNTER_START, Start::Work, *work_start);
                }),
                Value::OfProcess(number) if *kind == Kind::Counter => nested(to, METRIC_COUNTER, |to| {
                    double(to, COUNTER_VALUE, number);
                    write_time(to, COUNTER_START, *process_start);
                }),
                Value::Counted(counted) if *kind == Kind::Counter => nested(to, METRIC_COUNTER, |to| {
                    double(to, COUNTER_VALUE, counted.value as f64);
                    write_exemplar(to, COUNTER_EXEMPLAR, counted.exemplar.as_ref());
                    write_start(to, COUNTER_START, counted.start, *work_start);
                }),
                Value::Number(number) => write_gauge(to, as_double(number)),
                Value::OfProcess(number) => write_gauge(to, number),
                Value::Counted(counted) => write_gauge(to, counted.value as f64),
            }
        });
    }
}

impl Protobuf {
    /// What counts for the process began at `process_start`, and what counts for its work at `work_start`, in Unix time.
    pub(in crate::expose) fn new(process_start: f64, work_start: f64) -> Self {
        let time = |start: f64| (start as u64, (start.fract() * 1e9) as u64);
        Self {
            written: Vec::new(),
            kind: Kind::Gauge,
            head: Vec::new(),
            metrics: Vec::new(),
            labels: Vec::new(),
            process_start: time(process_start),
            work_start: time(work_start),
        }
    }

    /// Whole families that have been written since it was last cleared; the one under way is not among them.
    pub(in crate::expose) fn written(&self) -> &[u8] {
        &self.written
    }

    /// The metrics of the family under way since it was last cleared.
    pub(in crate::expose) fn metrics(&self) -> &[u8] {
        &self.metrics
    }

    /// Drops whole families that have been written.
    pub(in crate::expose) fn clear_written(&mut self) {
        self.written.clear();
    }

    /// Drops metrics of the family under way, which goes on.
    pub(in crate::expose) fn clear_metrics(&mut self) {
        self.metrics.clear();
    }

    /// What comes before so many bytes of metrics of the family under way: the length, name, help and type.
    pub(in crate::expose) fn head(&self, metrics: usize) -> Vec<u8> {
        let mut head = Vec::with_capacity(self.head.len() + 10);
        varint(&mut head, (self.head.len() + metrics) as u64);
        head.extend_from_slice(&self.head);
        head
    }

    /// The family under way is whole; without metrics it is left out.
    pub(in crate::expose) fn end_family(&mut self) {
        if !self.metrics.is_empty() {
            varint(&mut self.written, (self.head.len() + self.metrics.len()) as u64);
            self.written.extend_from_slice(&self.head);
            self.written.extend_from_slice(&self.metrics);
        }
        self.head.clear();
        self.metrics.clear();
        self.labels.clear();
    }

    /// Everything that has been written, to keep.
    pub(in crate::expose) fn into_written(mut self) -> Vec<u8> {
        self.end_family();
        self.written
    }
}

fn write_gauge(to: &mut Vec<u8>, value: f64) {
    nested(to, METRIC_GAUGE, |to| double(to, GAUGE_VALUE, value));
}

fn write_histogram(to: &mut Vec<u8>, histogram: Histogram<'_>, work_start: Time) {
    number(to, HISTOGRAM_COUNT, histogram.count);
    double(to, HISTOGRAM_SUM, as_double(histogram.sum));
    let finite = histogram
        .bounds
        .iter()
        .copied()
        .zip(histogram.cumulative.iter().copied());
    // Not every reader makes the infinite one of the count.
    let buckets = finite.chain([(f64::INFINITY, histogram.count)]);
    for (place, (bound, count)) in buckets.enumerate() {
        nested(to, HISTOGRAM_BUCKET, |to| {
            number(to, BUCKET_CUMULATIVE_COUNT, count);
            double(to, BUCKET_UPPER_BOUND, bound);
            let exemplar = histogram.exemplars.get(place);
            write_exemplar(to, BUCKET_EXEMPLAR, exemplar.and_then(Option::as_ref));
        });
    }
    if let Some(native) = histogram.native {
        write_native(to, native);
    }
    write_start(to, HISTOGRAM_START, histogram.start, work_start);
}

/// Eight buckets for each power of two.
const SCHEMA: i64 = 3;

/// What is at most this is 0: 2^−128, as in the libraries of Prometheus.
const ZERO_THRESHOLD: f64 = f64::from_bits(((1023 - 128) as u64) << 52);

/// Buckets that follow each other are a span; each has its count less that of the one before.
fn write_native(to: &mut Vec<u8>, native: Native<'_>) {
    number(to, HISTOGRAM_SCHEMA, zigzag(SCHEMA));
    double(to, HISTOGRAM_ZERO_THRESHOLD, ZERO_THRESHOLD);
    number(to, HISTOGRAM_ZERO_COUNT, native.zero);
    // The index behind the last span.
    let mut end = 0;
    for span in native.buckets.chunk_by(|(one, _), (other, _)| one + 1 == *other) {
        let first = span.first().map_or(end, |(index, _)| i64::from(*index));
        nested(to, HISTOGRAM_POSITIVE_SPAN, |to| {
            number(to, SPAN_OFFSET, zigzag(first - end));
            number(to, SPAN_LENGTH, span.len() as u64);
        });
        end = first + span.len() as i64;
    }
    if !native.buckets.is_empty() {
        nested(to, HISTOGRAM_POSITIVE_DELTA, |to| {
            let mut before = 0;
            for (_, count) in native.buckets {
                varint(to, zigzag(count.wrapping_sub(before) as i64));
                before = *count;
            }
        });
    }
}

/// Numbers of both signs, so that small ones are short.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn write_exemplar(to: &mut Vec<u8>, field: u64, exemplar: Option<&Exemplar<'_>>) {
    if let Some(exemplar) = exemplar.filter(|exemplar| exemplar.fits()) {
        nested(to, field, |to| {
            write_labels(to, EXEMPLAR_LABEL, &exemplar.labels);
            double(to, EXEMPLAR_VALUE, exemplar.value.into());
            write_time(to, EXEMPLAR_TIME, (exemplar.time.into(), 0));
        });
    }
}

fn write_start(to: &mut Vec<u8>, field: u64, start: Start, work_start: Time) {
    match start {
        Start::Work => write_time(to, field, work_start),
        Start::At(time) => write_time(to, field, (time.get().into(), 0)),
        Start::Unknown => {}
    }
}

fn write_time(to: &mut Vec<u8>, field: u64, (seconds, nanos): Time) {
    nested(to, field, |to| {
        number(to, TIMESTAMP_SECONDS, seconds);
        if nanos > 0 {
            number(to, TIMESTAMP_NANOS, nanos);
        }
    });
}

fn write_labels(to: &mut Vec<u8>, field: u64, labels: &[Label<'_>]) {
    for (name, value) in labels {
        nested(to, field, |to| {
            text(to, LABEL_NAME, name);
            text(to, LABEL_VALUE, value);
        });
    }
}

fn as_double(number: Number) -> f64 {
    match number {
        Number::Whole(value) => value as f64,
        Number::Float(value) => value,
    }
}

fn tag(to: &mut Vec<u8>, field: u64, how: u64) {
    varint(to, field << 3 | how);
}

fn number(to: &mut Vec<u8>, field: u64, value: u64) {
    tag(to, field, VARINT);
    varint(to, value);
}

fn double(to: &mut Vec<u8>, field: u64, value: f64) {
    tag(to, field, FIXED_64);
    to.extend_from_slice(&value.to_le_bytes());
}

fn text(to: &mut Vec<u8>, field: u64, text: &str) {
    tag(to, field, LENGTH);
    varint(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

/// A field whose length is known when it has been written.
fn nested(to: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    tag(to, field, LENGTH);
    let at = to.len();
    to.push(0);
    write(to);
    let length = to.len() - at - 1;
    match u8::try_from(length) {
        Ok(length @ ..0x80) => to[at] = length,
        _ => {
            let mut bytes = Vec::with_capacity(10);
            varint(&mut bytes, length as u64);
            to.splice(at..=at, bytes);
        }
    }
}

/// Seven bits a byte, the lowest first; the eighth says that there are more.
fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::expose::point::Counted;

    fn written(points: impl FnOnce(&mut Protobuf)) -> Vec<u8> {
        let mut protobuf = Protobuf::new(1_700_000_000.25, 1_700_000_000.25);
        points(&mut protobuf);
        protobuf.into_written()
    }

    /// By the rules of the encoding, byte by byte.
    #[test]
    fn a_counter() {
        let exemplar = Exemplar {
            labels: [("i", "x"), ("j", "")],
            value: 1,
            time: 300,
        };
        let bytes = written(|to| {
            to.family(&Family::counter("a", "A."));
            to.of(&[("b", "c")]);
            let counted = Counted {
                value: 3,
                start: NonZeroU32::new(299).into(),
                exemplar: Some(exemplar),
            };
            to.point(&[("d", "é")], Value::Counted(counted));
        });
        let expected: &[&[u8]] = &[
            b"\x51",
            b"\x0a\x07a_total\x12\x02A.\x18\x00",
            b"\x22\x40",
            b"\x0a\x06\x0a\x01b\x12\x01c\x0a\x07\x0a\x01d\x12\x02\xc3\xa9",
            b"\x1a\x2d\x09\0\0\0\0\0\0\x08\x40",
            b"\x12\x1d\x0a\x06\x0a\x01i\x12\x01x\x0a\x05\x0a\x01j\x12\x00\x11\0\0\0\0\0\0\xf0\x3f\x1a\x03\x08\xac\x02",
            b"\x1a\x03\x08\xab\x02",
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn what_counts_for_the_process_began_with_it() {
        let of_process = written(|to| {
            to.family(&Family::counter("a", ""));
            to.point(&[], 0_u64.into());
        });
        let mut time = Vec::new();
        write_time(&mut time, COUNTER_START, (1_700_000_000, 250_000_000));
        assert!(of_process.ends_with(&time), "{of_process:?}");
        let unknown = written(|to| {
            to.family(&Family::counter("a", ""));
            let counted = Counted {
                value: 0,
                start: Start::Unknown,
                exemplar: None,
            };
            to.point(&[], Value::Counted(counted));
        });
        assert_eq!(unknown.len() + time.len(), of_process.len());
    }

    #[test]
    fn long_fields_have_long_lengths_and_families_without_metrics_are_left_out() {
        let long = "x".repeat(20_000);
        let bytes = written(|to| {
            to.family(&Family::gauge("gone", ""));
            to.family(&Family::gauge("a", &long));
            to.point(&[], 1.5.into());
            to.family(&Family::gauge("gone", ""));
        });
        let help = [b"\x0a\x01a\x12\xa0\x9c\x01", long.as_bytes()].concat();
        let metric = b"\x18\x01\x22\x0b\x12\x09\x09\0\0\0\0\0\0\xf8\x3f";
        let length = help.len() + metric.len();
        let mut expected = Vec::new();
        varint(&mut expected, length as u64);
        assert_eq!(bytes, [&expected[..], &help, metric].concat());
    }

    #[test]
    fn native_histograms() {
        let histogram = |native| Histogram {
            bounds: &[],
            cumulative: &[],
            count: 9,
            sum: 0_u64.into(),
            start: Start::Unknown,
            exemplars: &[],
            native,
        };
        let of = |native| {
            let mut bytes = Vec::new();
            write_histogram(&mut bytes, histogram(native), (0, 0));
            bytes
        };
        let without = of(None);
        let threshold = b"\x28\x06\x31\0\0\0\0\0\0\xf0\x37\x38";
        let empty = Native {
            zero: 0,
            buckets: &[],
        };
        assert_eq!(of(Some(empty)), [&without, &threshold[..], b"\0"].concat());
        // At 3 and 4, and from 132: counts of 5, 2, 1 are 5, -3, -1.
        let some = Native {
            zero: 1,
            buckets: &[(3, 5), (4, 2), (132, 1)],
        };
        let spans = b"\x62\x04\x08\x06\x10\x02\x62\x05\x08\xfe\x01\x10\x01";
        let deltas = b"\x6a\x03\x0a\x05\x01";
        assert_eq!(
            of(Some(some)),
            [&without, &threshold[..], b"\x01", spans, deltas].concat()
        );
    }
}
