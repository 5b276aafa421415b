//! One OpenMetrics file for each UTC day.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::series::{ScopeSeries, Spacing};
use crate::expose::PastFamily;
use crate::result::Seconds;
use crate::timestamp;

const DAY: Seconds = 86_400;

/// How the name of a file ends.
const FINISHED: &str = ".om";

/// The same of one that is being written.
const UNFINISHED: &str = ".om.tmp";

/// What was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Written {
    /// In the order of their days.
    pub files: Vec<PathBuf>,
    /// Their lines that are samples.
    pub samples: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How many samples there will be, at most: what is left out between changes is among them.
pub fn estimate(scopes: &[ScopeSeries], step: Seconds) -> u64 {
    let of = |scope: &ScopeSeries| {
        let series: usize = scope.metrics.iter().map(|metric| metric.series.len()).sum();
        series as u64 * u64::from((scope.until.saturating_sub(scope.from)) / step + 3)
    };
    scopes.iter().map(of).sum()
}

/// Writes the files of all days into a directory. Those of an earlier time stay until all are there, and then go:
/// whoever finds files finds all of one writing. `day` is told of each that is done, and says whether to go on.
///
/// # Errors
/// When the disk refuses.
pub fn write(
    directory: &Path,
    scopes: &[ScopeSeries],
    spacing: Spacing,
    day: impl FnMut(&str) -> bool,
) -> io::Result<Option<Written>> {
    remove(find(directory, UNFINISHED)?)?;
    let written = write_unfinished(directory, scopes, spacing, day);
    match &written {
        Ok(Some(written)) => {
            for path in &written.files {
                fs::rename(unfinished(path), path)?;
            }
            let mut old = of_days(directory)?;
            old.retain(|path| !written.files.contains(path));
            remove(old)?;
            File::open(directory)?.sync_all()?;
        }
        // Half of them are of no use, and may be what has filled the disk. What stays is removed next time.
        Ok(None) | Err(_) => {
            let _ = find(directory, UNFINISHED).and_then(remove);
        }
    }
    written
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(&UNFINISHED[1..])
}

fn remove(paths: Vec<PathBuf>) -> io::Result<()> {
    paths.into_iter().try_for_each(fs::remove_file)
}

/// Writes all days beside where they will be.
fn write_unfinished(
    directory: &Path,
    scopes: &[ScopeSeries],
    spacing: Spacing,
    mut day: impl FnMut(&str) -> bool,
) -> io::Result<Option<Written>> {
    let filled = || scopes.iter().filter(|scope| !scope.metrics.is_empty());
    let mut written = Written::default();
    let (Some(first), Some(last)) = (
        filled().map(|scope| scope.from / DAY).min(),
        filled().map(|scope| scope.until.saturating_add(1) / DAY).max(),
    ) else {
        return Ok(Some(written));
    };
    let mut walks: Vec<Vec<_>> = scopes
        .iter()
        .map(|scope| scope.metrics.iter().map(|metric| metric.walk()).collect())
        .collect();
    for number in first..=last {
        let begin = number * DAY;
        let date = &timestamp::rfc3339(begin)[..10];
        let path = directory.join(format!("{date}{FINISHED}"));
        let mut to = BufWriter::with_capacity(1 << 20, File::create(unfinished(&path))?);
        for family in PastFamily::ALL {
            let mut header = Some(family.header());
            for (scope, walks) in scopes.iter().zip(&mut walks) {
                let metrics = scope.metrics.iter().zip(walks);
                for (metric, walk) in metrics.filter(|(metric, _)| metric.family == family) {
                    scope.samples(
                        walk,
                        (begin, begin.saturating_add(DAY)),
                        spacing,
                        |time, values| {
                            if let Some(header) = header.take() {
                                to.write_all(header.as_bytes())?;
                            }
                            written.samples += values.len() as u64;
                            metric
                                .series
                                .iter()
                                .zip(values)
                                .try_for_each(|(series, value)| writeln!(to, "{series}{value} {time}"))
                        },
                    )?;
                }
            }
        }
        to.write_all(PastFamily::END.as_bytes())?;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        written.bytes += file.metadata()?.len();
        file.sync_all()?;
        written.files.push(path);
        if !day(date) {
            return Ok(None);
        }
    }
    Ok(Some(written))
}

/// The files of days that a directory has, in their order.
///
/// # Errors
/// When it cannot be read.
pub fn of_days(directory: &Path) -> io::Result<Vec<PathBuf>> {
    find(directory, FINISHED)
}

/// Those that end so, in their order.
fn find(directory: &Path, end: &str) -> io::Result<Vec<PathBuf>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let date = name.strip_suffix(end).unwrap_or_default();
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if is_date {
            days.push(path);
        }
    }
    days.sort_unstable();
    Ok(days)
}
