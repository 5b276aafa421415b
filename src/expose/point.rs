//! What is shown, in no format: families, and the points of each.

use std::num::NonZeroU32;

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

/// The units that a name may end with, which are told apart.
const UNITS: [&str; 2] = ["seconds", "bytes"];

impl<'a> Family<'a> {
    /// The unit that the name ends with.
    pub(super) fn unit(&self) -> Option<&'a str> {
        let unit = self.name.rsplit('_').next();
        unit.filter(|unit| UNITS.contains(unit))
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
    /// Of a gauge; or of a counter that began with the work of the process.
    Number(Number),
    /// Of a counter that began with the process, whatever that does.
    OfProcess(f64),
    /// Of a counter that outlives the process.
    Counted(Counted<'a>),
    /// Of a histogram.
    Histogram(Histogram<'a>),
}

impl<T: Into<Number>> From<T> for Value<'_> {
    fn from(value: T) -> Self {
        Self::Number(value.into())
    }
}

impl Value<'_> {
    /// Of a counter that outlives the process; of a gauge, its value.
    pub(super) fn counted(value: u64, start: Start) -> Self {
        Self::Counted(Counted {
            value,
            start,
            exemplar: None,
        })
    }

    /// Whether any of its increments can be looked at.
    pub(super) fn has_exemplars(&self) -> bool {
        match self {
            Self::Number(_) | Self::OfProcess(_) => false,
            Self::Counted(counted) => counted.exemplar.is_some(),
            Self::Histogram(histogram) => !histogram.exemplars.is_empty(),
        }
    }
}

/// When a counter or a histogram was certainly at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// When the process began its work: as it began itself, or to lead.
    Work,
    /// In Unix time.
    At(NonZeroU32),
    /// Nobody has noted it.
    Unknown,
}

impl From<Option<NonZeroU32>> for Start {
    fn from(start: Option<NonZeroU32>) -> Self {
        start.map_or(Self::Unknown, Self::At)
    }
}

/// A counter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    pub value: u64,
    pub start: Start,
    /// An increment that can be looked at.
    pub exemplar: Option<Exemplar<'a>>,
}

/// One increment of a counter or of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemplar<'a> {
    /// Where to look.
    pub labels: [Label<'a>; 2],
    /// By how much; of a bucket, which duration.
    pub value: u32,
    /// Unix time.
    pub time: u32,
}

/// An exemplar's names and values together have at most so many characters (OpenMetrics 1.0).
const MAX_EXEMPLAR: usize = 128;

impl Exemplar<'_> {
    /// Whether it may be shown.
    pub(super) fn fits(&self) -> bool {
        let characters = self
            .labels
            .map(|(name, value)| name.len() + value.chars().count());
        characters.iter().sum::<usize>() <= MAX_EXEMPLAR
    }
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
    pub start: Start,
    /// Of each bucket, the infinite one last; or none at all.
    pub exemplars: &'a [Option<Exemplar<'a>>],
    /// The same values in buckets that grow by a constant factor.
    pub native: Option<Native<'a>>,
}

/// A native histogram of schema 3, of whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Native<'a> {
    /// How many values are 0.
    pub zero: u64,
    /// Index and count of each bucket that is not empty, ascending.
    pub buckets: &'a [(u16, u64)],
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
