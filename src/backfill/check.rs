//! Whether the files have what was listed: they are read again, as a database reads them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use super::series::ScopeSeries;

/// How much each series goes up in all files together: a fall is a new beginning from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// By the text of a series.
    pub of: BTreeMap<String, u64>,
    /// Samples that were read.
    pub samples: u64,
}

/// A series on the way.
#[derive(Debug, Clone, Copy)]
struct Last {
    time: u64,
    value: u64,
    rise: u64,
}

impl Sums {
    /// Of files in the order of their days.
    ///
    /// # Errors
    /// When one cannot be read, is not OpenMetrics as it is written here, or goes back in time: databases drop such
    /// samples without a word.
    pub fn read(files: &[PathBuf]) -> io::Result<Self> {
        let mut series: HashMap<String, Last> = HashMap::new();
        let mut samples = 0;
        for path in files {
            let wrong =
                |what: &str, line: &str| io::Error::other(format!("{}: {what}: {line}", path.display()));
            let mut lines = BufReader::with_capacity(1 << 20, File::open(path)?);
            let (mut line, mut is_over) = (String::new(), false);
            while lines.read_line(&mut line)? > 0 {
                if is_over {
                    return Err(wrong("a line behind the end", &line));
                }
                let text = line.trim_end();
                is_over = text == "# EOF";
                if !text.starts_with('#') {
                    let sample = || {
                        let (rest, time) = text.rsplit_once(' ')?;
                        let (name, value) = rest.rsplit_once(' ')?;
                        Some((name, value.parse().ok()?, time.parse().ok()?))
                    };
                    let (name, value, time): (&str, u64, u64) =
                        sample().ok_or_else(|| wrong("no sample", text))?;
                    samples += 1;
                    match series.get_mut(name) {
                        Some(last) if last.time >= time => return Err(wrong("a step back in time", text)),
                        Some(last) => {
                            last.rise += value.checked_sub(last.value).unwrap_or(value);
                            (last.time, last.value) = (time, value);
                        }
                        None if value != 0 => return Err(wrong("a series that does not begin at 0", text)),
                        None => {
                            let first = Last { time, value, rise: 0 };
                            series.insert(name.to_owned(), first);
                        }
                    }
                }
                line.clear();
            }
            if !is_over {
                return Err(wrong("no end", "# EOF is missing"));
            }
        }
        if let Some((name, last)) = series.iter().find(|(_, last)| last.value != 0) {
            return Err(io::Error::other(format!(
                "{name} does not end at 0, but at {}",
                last.value
            )));
        }
        let of = series.into_iter().map(|(name, last)| (name, last.rise)).collect();
        Ok(Self { of, samples })
    }

    /// What the files must have, by what was listed: counted here in another way than they were written.
    pub fn of_results(scopes: &[ScopeSeries]) -> Self {
        let mut of = BTreeMap::new();
        for metric in scopes.iter().flat_map(|scope| &scope.metrics) {
            for series in &metric.series {
                let name = series.trim_end();
                let count = match name.split_once(",le=\"").or_else(|| name.split_once("{le=\"")) {
                    Some((_, bound)) => {
                        // As Go, Python and Rust read it.
                        let bound = bound.trim_end_matches("\"}").parse().unwrap_or(f64::INFINITY);
                        let fits = |(_, seconds): &&(u32, u32)| f64::from(*seconds) <= bound;
                        metric.events.iter().filter(fits).count() as u64
                    }
                    None if name.split('{').next().is_some_and(|name| name.ends_with("_sum")) => {
                        metric.events.iter().map(|(_, seconds)| u64::from(*seconds)).sum()
                    }
                    None => metric.events.len() as u64,
                };
                of.insert(name.to_owned(), count);
            }
        }
        Self { of, samples: 0 }
    }

    /// The series that differ: in the files, and as listed.
    pub fn differ<'a>(&'a self, listed: &'a Self) -> Vec<(&'a str, Option<u64>, Option<u64>)> {
        let names: std::collections::BTreeSet<&String> = self.of.keys().chain(listed.of.keys()).collect();
        names
            .into_iter()
            .map(|name| (&**name, self.of.get(name).copied(), listed.of.get(name).copied()))
            .filter(|(_, files, listed)| files != listed)
            .collect()
    }
}
