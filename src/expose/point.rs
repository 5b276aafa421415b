//! What is shown, in no format: families, and the points of each.

/// A label: its name and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never goes back.
    Counter,
    /// A value.
    Gauge,
    /// How many values there are up to each bound, their sum and their count.
    Histogram,
}

/// Name, type and help of a family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family<'a> {
    /// Without a suffix: `_total`, `_bucket` and their like are for the format to add.
    pub name: &'a str,
    /// Type.
    pub kind: Kind,
    /// Help; holds no quote, backslash or line feed, so that it is the same in every format.
    pub help: &'a str,
}

impl<'a> Family<'a> {
    /// A family of counters.
    pub(super) const fn counter(name: &'a str, help: &'a str) -> Self {
        let kind = Kind::Counter;
        Self { name, kind, help }
    }

    /// A family of gauges.
    pub(super) const fn gauge(name: &'a str, help: &'a str) -> Self {
        let kind = Kind::Gauge;
        Self { name, kind, help }
    }

    /// A family of histograms.
    pub(super) const fn histogram(name: &'a str, help: &'a str) -> Self {
        let kind = Kind::Histogram;
        Self { name, kind, help }
    }
}

/// A number: whole ones are exact, however large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(u64),
    Float(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// The value of a point, as its family's kind has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// Of a counter or gauge.
    Number(Number),
    /// Of a counter whose newest increment can be looked at.
    WithExemplar(u64, Exemplar<'a>),
    /// Of a histogram.
    Histogram(Histogram<'a>),
}

impl<T: Into<Number>> From<T> for Value<'_> {
    fn from(value: T) -> Self {
        Self::Number(value.into())
    }
}

/// One increment by 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemplar<'a> {
    /// Where to look.
    pub labels: [Label<'a>; 2],
    /// Unix time.
    pub time: u32,
}

/// A histogram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Histogram<'a> {
    /// Ascending and finite.
    pub bounds: &'a [f64],
    /// How many values there are up to each bound.
    pub cumulative: &'a [u64],
    /// All of them.
    pub count: u64,
    /// Their sum.
    pub sum: Number,
}

/// Takes families, one after the other: an encoder of a format, or what feeds several.
pub(super) trait Sink {
    /// A family begins.
    fn family(&mut self, family: &Family<'_>);

    /// The points that follow are of one thing, whose labels these are.
    fn of(&mut self, labels: &[Label<'_>]);

    /// A point of the family; `labels` are those that it has beside those of its thing.
    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>);
}
