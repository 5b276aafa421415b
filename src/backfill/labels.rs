//! The labels that a scrape adds and a file must have: `job`, `instance`, and whatever else the target has.

use std::collections::BTreeMap;

/// Labels that the exporter itself gives its series, or that are not for anybody to give.
const TAKEN: [&str; 8] = [
    "account",
    "region_id",
    "invocation_status",
    "error_code",
    "exit_code",
    "command",
    "le",
    "__name__",
];

/// Without these no series would be that of a scrape.
const NEEDED: [&str; 2] = ["job", "instance"];

/// The labels of the target, `job` and `instance` among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetLabels(BTreeMap<String, String>);

impl TargetLabels {
    /// Reads `NAME=VALUE` each.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub fn read(texts: &[String]) -> Result<Self, String> {
        let mut labels = BTreeMap::new();
        for text in texts {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                format!("--backfill.label={text}: write NAME=VALUE, as job=cloud-assistant")
            })?;
            let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name || name.starts_with("__") || TAKEN.contains(&name) {
                return Err(format!(
                    "--backfill.label={text}: {name:?} is no label that a scrape adds to those of the exporter"
                ));
            }
            if labels.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(format!("--backfill.label={text}: {name} is given twice"));
            }
        }
        for name in NEEDED {
            if labels.get(name).is_none_or(String::is_empty) {
                return Err(format!(
                    "--backfill.label={name}=… is missing: the files must have the labels that Prometheus gives the \
                     target, or their series are others than the live ones; `up` shows them"
                ));
            }
        }
        // One that is empty is none.
        labels.retain(|_, value| !value.is_empty());
        Ok(Self(labels))
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<TargetLabels, String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        TargetLabels::read(&texts)
    }

    #[test]
    fn job_and_instance_are_needed_and_the_exporters_own_are_taken() {
        let labels = read(&["job=a=b", "instance=h:1", "env=", "cluster=c"]).unwrap();
        let labels: Vec<(&str, &str)> = labels.iter().collect();
        assert_eq!(labels, [("cluster", "c"), ("instance", "h:1"), ("job", "a=b")]);
        for (texts, expected) in [
            (&["job=a"][..], "--backfill.label=instance=… is missing"),
            (&["job=", "instance=b"], "--backfill.label=job=… is missing"),
            (&["job"], "write NAME=VALUE"),
            (&["job=a", "job=b", "instance=c"], "given twice"),
            (&["le=1"], "no label that a scrape adds"),
            (&["1a=1"], "no label"),
            (&["a-b=1"], "no label"),
            (&["=1"], "no label"),
        ] {
            let error = read(texts).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
