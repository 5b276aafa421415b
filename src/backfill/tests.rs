//! `increase()` over any span across the join is the truth.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::backfill::{Sums, days};
use crate::record::{PastClass, PastResult};

/// A midnight.
const MIDNIGHT: Seconds = 20_000 * 86_400;
/// The scrape interval, and the step.
const STEP: Seconds = 60;
const BOUNDS: [f64; 3] = [1.0, 60.0, 0.5e4];

fn target() -> TargetLabels {
    TargetLabels::read(&["job=j".to_owned(), "instance=i".to_owned()]).unwrap()
}

/// Failures that ended then, having run for so long.
fn past(results: &[(Seconds, u32)]) -> Past {
    let class = |command: Option<&str>| PastClass {
        invocation_status: "Failed".into(),
        error_code: "E".into(),
        exit_code: "1".into(),
        command: command.map(Into::into),
    };
    Past {
        classes: vec![class(Some("a\"_sum{,le=\"b")), class(None)],
        results: results
            .iter()
            .enumerate()
            .map(|(place, (time, seconds))| PastResult {
                class: u32::from(place % 2 == 1),
                time: Some(*time),
                duration: Some(*seconds),
                counted: false,
            })
            .collect(),
        unnamed: 0,
    }
}

fn series(results: &[(Seconds, u32)], until: Until) -> ScopeSeries {
    let scope = Scope::new("a", "r");
    ScopeSeries::of((&scope, &past(results), until), &target(), &BOUNDS, STEP, true)
}

/// The samples of `cloud_assistant_results_total` in the files.
fn filled(series: &ScopeSeries, near: Option<Seconds>) -> Vec<(Seconds, u64)> {
    let spacing = Spacing { step: STEP, near };
    let mut samples = Vec::new();
    if let Some(metric) = series.metrics.first() {
        let mut walk = metric.walk();
        series
            .samples(&mut walk, (0, Seconds::MAX), spacing, |time, values| {
                samples.push((time, values[0]));
                Ok(())
            })
            .unwrap();
    }
    samples
}

/// Prometheus's `increase()` over the samples in (`from`, `to`], and what it has seen the counter rise.
fn increase(samples: &[(Seconds, u64)], from: Seconds, to: Seconds) -> Option<(f64, u64)> {
    let inside: Vec<_> = samples
        .iter()
        .filter(|(time, _)| (from + 1..=to).contains(time))
        .collect();
    let (first, last) = (inside.first()?, inside.last()?);
    if inside.len() < 2 {
        return None;
    }
    let rise: u64 = inside
        .windows(2)
        .map(|pair| pair[1].1.checked_sub(pair[0].1).unwrap_or(pair[1].1))
        .sum();
    let sampled = f64::from(last.0 - first.0);
    let apart = sampled / (inside.len() - 1) as f64;
    let (mut to_start, to_end) = (f64::from(first.0 - from), f64::from(to - last.0));
    if rise > 0 && first.1 as f64 * sampled / (rise as f64) < to_start {
        to_start = first.1 as f64 * sampled / rise as f64;
    }
    let extended = |gap: f64| if gap < apart * 1.1 { gap } else { apart / 2.0 };
    let factor = (sampled + extended(to_start) + extended(to_end)) / sampled;
    Some((rise as f64 * factor, rise))
}

proptest! {
    #[test]
    fn over_any_span_across_the_join_it_is_the_truth(
        ended in vec((0..4 * 86_400_u32, 0..10_000_u32), 0..60),
        look in 2 * 86_400..3 * 86_400_u32,
        scraped_after in 2..7_200_u32,
        (from, length) in (0..4 * 86_400_u32, 3_600..4 * 86_400_u32),
        near in proptest::option::of(Just(3_600_u32)),
    ) {
        let look = MIDNIGHT + look;
        let mut ended: Vec<_> = ended.into_iter().map(|(at, seconds)| (MIDNIGHT + at, seconds)).collect();
        ended.sort_unstable();
        let series = series(&ended, Until::Time(look));
        let mut samples = filled(&series, near);
        prop_assert!(samples.is_sorted_by(|one, other| one.0 < other.0));
        prop_assert_eq!(samples.first().map_or(0, |(_, value)| *value), 0);
        // What Prometheus scrapes from then on: every result that has ended since the look.
        let live = |time: Seconds| ended.iter().filter(|(at, _)| (look + 1..=time).contains(at)).count() as u64;
        let scrapes = (look + scraped_after..MIDNIGHT + 5 * 86_400).step_by(STEP as usize);
        // Where there is no past, nobody has seen the counter before the first scrape.
        let unseen = if samples.is_empty() { live(look + scraped_after) } else { 0 };
        samples.extend(scrapes.map(|time| (time, live(time))));

        // Over all of it: every result once.
        let (_, rise) = increase(&samples, 0, Seconds::MAX - 1).unwrap();
        prop_assert_eq!(rise + unseen, ended.len() as u64);
        // Over any span: what ended between its first and its last sample, and hardly more for its ends.
        let (from, to) = (MIDNIGHT + from, MIDNIGHT + from + length);
        let inside: Vec<_> = samples.iter().filter(|(time, _)| (from + 1..=to).contains(time)).collect();
        if let (Some((first, _)), Some((last, _))) = (inside.first(), inside.last())
            && let Some((increase, rise)) = increase(&samples, from, to)
        {
            let truth = ended.iter().filter(|(at, _)| (first + 1..=*last).contains(at)).count() as u64;
            prop_assert_eq!(rise, truth);
            let apart = f64::from(last - first) / (inside.len() - 1) as f64;
            let most = 1.0 + 2.2 * apart / f64::from(last - first);
            prop_assert!(increase <= truth as f64 * most + 1e-6, "{} {}", increase, truth);
            prop_assert!(increase >= truth as f64 - 1e-6, "{} {}", increase, truth);
        }
    }

}

proptest! {
    // Each writes and reads a megabyte.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn files_have_what_was_listed(
        ended in vec((0..4 * 86_400_u32, 0..10_000_u32), 0..60),
        near in proptest::option::of(Just(600_u32)),
    ) {
        let ended: Vec<_> = ended.into_iter().map(|(at, seconds)| (MIDNIGHT + at, seconds)).collect();
        let scopes = [series(&ended, Until::OwnLook(MIDNIGHT + 2 * 86_400 - 1))];
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("2001-01-01.om"), "of an earlier time").unwrap();
        let spacing = Spacing { step: STEP, near };
        let written = days::write(directory.path(), &scopes, spacing, |_| true).unwrap().unwrap();
        prop_assert_eq!(days::of_days(directory.path()).unwrap(), written.files.clone());
        let sums = Sums::read(&written.files).unwrap();
        prop_assert_eq!(sums.samples, written.samples);
        prop_assert!(written.samples <= days::estimate(&scopes, STEP));
        let listed = Sums::of_results(&scopes);
        prop_assert_eq!(sums.differ(&listed), vec![]);
        let totals = sums.of.iter().filter(|(name, _)| name.starts_with("cloud_assistant_results_total{"));
        prop_assert_eq!(totals.map(|(_, rise)| rise).sum::<u64>(), ended.len() as u64);
        let infinite = sums.of.iter().filter(|(name, _)| {
            name.starts_with("cloud_assistant_result_duration_seconds_bucket{") && name.ends_with("le=\"+Inf\"}")
        });
        prop_assert_eq!(infinite.map(|(_, rise)| rise).sum::<u64>(), ended.len() as u64);
    }
}

#[test]
fn a_file_is_a_day_and_the_counter_goes_on_from_file_to_file() {
    let ended = [(MIDNIGHT - 61, 3), (MIDNIGHT + 90, 70)];
    let scopes = [series(&ended, Until::OwnLook(MIDNIGHT + 150))];
    let directory = tempfile::tempdir().unwrap();
    let spacing = Spacing {
        step: STEP,
        near: None,
    };
    let written = days::write(directory.path(), &scopes, spacing, |_| true)
        .unwrap()
        .unwrap();
    let names: Vec<_> = written
        .files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["2024-10-03.om", "2024-10-04.om"]);
    let text = std::fs::read_to_string(&written.files[1]).unwrap();
    let total: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("cloud_assistant_results_total{instance=\"i\",job=\"j\",account=\"a\",region_id=\"r\",invocation_status=\"Failed\",error_code=\"E\",exit_code=\"1\"} "))
        .collect();
    let at = |value: u64, after: Seconds| format!("{value} {}", MIDNIGHT + after);
    assert_eq!(total, [at(1, 0), at(1, 60), at(2, 120), at(2, 150), at(0, 151)]);
    let headers: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(headers.len(), 4);
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn files_of_an_earlier_time_stay_until_all_are_there() {
    let ended = [(MIDNIGHT - 61, 3), (MIDNIGHT + 90, 70)];
    let scopes = [series(&ended, Until::OwnLook(MIDNIGHT + 150))];
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for earlier in [
        "2001-01-01.om",
        "2024-10-03.om",
        "2024-10-04.om",
        "2024-10-05.om.tmp",
    ] {
        std::fs::write(directory.join(earlier), "earlier").unwrap();
    }
    let found = || {
        let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let texts = files.map(|entry| {
            let is_earlier = std::fs::read_to_string(entry.path()).unwrap() == "earlier";
            (entry.file_name().into_string().unwrap(), is_earlier)
        });
        texts.collect::<BTreeMap<_, _>>()
    };
    let spacing = Spacing {
        step: STEP,
        near: None,
    };
    let earlier = ["2001-01-01.om", "2024-10-03.om", "2024-10-04.om"].map(|name| (name.to_owned(), true));
    // It is asked to stop after the first.
    assert!(
        days::write(directory, &scopes, spacing, |_| false)
            .unwrap()
            .is_none()
    );
    assert_eq!(found(), earlier.clone().into());
    // The second cannot be written.
    let in_the_way = directory.join("2024-10-04.om.tmp");
    days::write(directory, &scopes, spacing, |_| {
        std::fs::create_dir(&in_the_way).is_ok()
    })
    .unwrap_err();
    assert_eq!(found(), earlier.into());
    std::fs::remove_dir(in_the_way).unwrap();
    days::write(directory, &scopes, spacing, |_| true)
        .unwrap()
        .unwrap();
    let both = ["2024-10-03.om", "2024-10-04.om"].map(|name| (name.to_owned(), false));
    assert_eq!(found(), both.into());
}

#[test]
fn what_cannot_be_placed_is_told_and_not_guessed() {
    let look = MIDNIGHT + 86_400;
    let mut past = past(&[
        (MIDNIGHT, 1),
        (MIDNIGHT - 40 * 86_400, 1),
        (look + 1, 1),
        (look, 1),
    ]);
    past.results.push(PastResult {
        time: None,
        ..past.results[0]
    });
    let scope = Scope::new("a", "r");
    let series = ScopeSeries::of(
        (&scope, &past, Until::Time(look)),
        &target(),
        &BOUNDS,
        STEP,
        false,
    );
    let left = Left {
        undated: 1,
        old: 1,
        live: 1,
    };
    assert_eq!((series.results, series.left), (2, left));
    let families: BTreeSet<PastFamily> = series.metrics.iter().map(|metric| metric.family).collect();
    assert!(
        !families.contains(&PastFamily::CommandDurations),
        "they are not configured"
    );
}

#[test]
fn files_that_lack_something_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("2026-01-01.om");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Sums::read(std::slice::from_ref(&path)).map(|sums| sums.of.into_values().collect::<Vec<_>>())
    };
    assert_eq!(read("a 0 1\na 5 2\na 2 3\na 0 4\n# EOF\n").unwrap(), [7]);
    for (text, expected) in [
        ("a 0 1\na 1 2\na 0 3\n", "# EOF is missing"),
        ("# EOF\na 0 1\n", "behind the end"),
        ("a 0 1\na 1 1\n# EOF\n", "a step back in time"),
        ("a 1 1\n# EOF\n", "does not begin at 0"),
        ("a 0 1\na 1 2\n# EOF\n", "does not end at 0"),
        ("a x 1\n# EOF\n", "no sample"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
