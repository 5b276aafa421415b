//! How a test names instances, and one of the rows that they make.

/// Instances to run something on: how many of the region's, or the ids themselves.
pub trait Instances {
    /// The ids, given those that the region's instances have.
    fn ids(self, of_region: &dyn Fn(usize) -> String) -> Vec<String>;
}

impl Instances for usize {
    fn ids(self, of_region: &dyn Fn(usize) -> String) -> Vec<String> {
        (0..self).map(of_region).collect()
    }
}

impl Instances for std::ops::Range<usize> {
    fn ids(self, of_region: &dyn Fn(usize) -> String) -> Vec<String> {
        self.map(of_region).collect()
    }
}

impl Instances for &str {
    fn ids(self, _: &dyn Fn(usize) -> String) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl<const N: usize> Instances for [&str; N] {
    fn ids(self, _: &dyn Fn(usize) -> String) -> Vec<String> {
        self.map(str::to_owned).to_vec()
    }
}

impl Instances for Vec<String> {
    fn ids(self, _: &dyn Fn(usize) -> String) -> Vec<String> {
        self
    }
}

/// Which row of an invocation: by its index, by the id of its instance, or by that of its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceAt {
    /// In the order of the run.
    Index(usize),
    /// InstanceId or ContainerId.
    Id(String),
}

impl From<usize> for InstanceAt {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for InstanceAt {
    fn from(id: &str) -> Self {
        Self::Id(id.to_owned())
    }
}

impl From<&String> for InstanceAt {
    fn from(id: &String) -> Self {
        Self::Id(id.clone())
    }
}

impl From<String> for InstanceAt {
    fn from(id: String) -> Self {
        Self::Id(id)
    }
}
