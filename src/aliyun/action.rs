//! The calls that the exporter makes of ECS.

/// One of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the API's own names")]
pub enum Action {
    DescribeInvocationResults,
    DescribeInvocations,
    DescribeRegions,
}

impl Action {
    /// All of them; the position of one is its place in a table by action.
    pub const ALL: [Self; 3] = [
        Self::DescribeInvocationResults,
        Self::DescribeInvocations,
        Self::DescribeRegions,
    ];

    /// The API's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DescribeInvocationResults => "DescribeInvocationResults",
            Self::DescribeInvocations => "DescribeInvocations",
            Self::DescribeRegions => "DescribeRegions",
        }
    }

    /// Whether it asks about one region.
    pub fn has_region(self) -> bool {
        self != Self::DescribeRegions
    }
}
