//! A scrape, read by a small parser of our own.

use std::collections::BTreeMap;

/// Samples by their name and labels.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    samples: BTreeMap<(String, Labels), f64>,
    pub text: String,
}

pub type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Reads text 0.0.4 or OpenMetrics. Two samples with the same name and labels are an error.
    pub fn parse(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sample, value) = sample(line);
            let twice = samples.insert(sample, value);
            assert!(twice.is_none(), "twice: {line}");
        }
        Self {
            samples,
            text: text.to_owned(),
        }
    }

    /// Every sample, but for those whose name begins so.
    pub fn without(&self, prefix: &str) -> BTreeMap<(String, Labels), f64> {
        let samples = self
            .samples
            .iter()
            .map(|(sample, value)| (sample.clone(), *value));
        samples
            .filter(|((name, _), _)| !name.starts_with(prefix))
            .collect()
    }

    /// The samples of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = (&Labels, f64)> {
        self.samples
            .iter()
            .filter(move |((other, _), _)| other == name)
            .map(|((_, labels), value)| (labels, *value))
    }

    /// The sum of the samples of a name whose labels have these values; none where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let values: Vec<f64> = self
            .all(name)
            .filter(|(all, _)| {
                labels
                    .iter()
                    .all(|(name, value)| all.get(*name).is_some_and(|other| other == value))
            })
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The same, where there must be one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sum(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?} in\n{}", self.shown(name)))
    }

    /// Counts by (InvocationStatus, ErrorCode, ExitCode) of one scope, without zeros: as the simulator has its truth.
    pub fn counts(
        &self,
        name: &str,
        account: &str,
        region_id: &str,
    ) -> BTreeMap<(String, String, String), u64> {
        self.all(name)
            .filter(|(labels, value)| {
                labels["account"] == account && labels["region_id"] == region_id && *value > 0.0
            })
            .map(|(labels, value)| {
                let label = |name: &str| labels[name].clone();
                (
                    (
                        label("invocation_status"),
                        label("error_code"),
                        label("exit_code"),
                    ),
                    value as u64,
                )
            })
            .collect()
    }

    /// Sums by account and region.
    pub fn by_scope(&self, name: &str) -> BTreeMap<(String, String), f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.all(name) {
            *sums
                .entry((labels["account"].clone(), labels["region_id"].clone()))
                .or_default() += value;
        }
        sums
    }

    /// The lines of the names that begin so.
    pub fn shown(&self, prefix: &str) -> String {
        self.text
            .lines()
            .filter(|line| line.starts_with(prefix))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn sample(line: &str) -> ((String, Labels), f64) {
    let name_end = line
        .find(['{', ' '])
        .unwrap_or_else(|| panic!("no sample: {line}"));
    let name = line[..name_end].to_owned();
    let mut labels = Labels::new();
    let mut rest = &line[name_end..];
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, more) = inside.split_once("=\"").unwrap();
            let (value, more) = quoted(more);
            assert!(
                labels.insert(label.to_owned(), value).is_none(),
                "a label twice: {line}"
            );
            inside = more.strip_prefix(',').unwrap_or(more);
        }
        rest = &inside[1..];
    }
    let value = rest.split_whitespace().next().unwrap();
    let value = value
        .replace("+Inf", "inf")
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    ((name, labels), value)
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().unwrap().1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("no end of the label: {text}");
}
