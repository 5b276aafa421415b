//! What rule 8 costs: a scope that has results every hour of many days, whose list is capped, and what is held of it.

use std::process::Command;
use std::time::Duration;

use cloud_assistant_exporter::clock::Now;
use cloud_assistant_exporter::record::{Findings, Record, Sweep};
use cloud_assistant_exporter::result::Seconds;

use crate::exporter::of_status;
use crate::record::{settings, settled_at};
use crate::table::{Beside, Targets, header, megabytes, row};

/// The hidden argument of the process that lives through the days and says what they take.
pub const DAYS: &str = "--days";

const LAST_DAY: u32 = 40;
const A_DAY: u32 = 10_000;
const LISTED: u32 = 10_000;
const HOUR: Seconds = 3_600;
const SWEEP_EVERY: u32 = 6;

/// In a process of its own: a poll an hour and a sweep every six, and what is held at the end of a day.
pub fn live() {
    let begin = crate::record::now() - LAST_DAY * 86_400;
    let at = |hour: u32| Now {
        wall: begin + hour * HOUR,
        steady: Duration::from_secs(u64::from(hour * HOUR)),
    };
    // A result has the time at which it came, the last of an hour right before the hour's poll.
    let result = |n: u32| settled_at(n, begin + (u64::from(n) * 86_400 / u64::from(A_DAY)) as u32);
    let before = of_status(std::process::id(), "VmRSS:");
    let mut record = Record::new(settings(86_400));
    let (mut listed, mut most) = (0, 0);
    for hour in 0..=LAST_DAY * 24 {
        let newest = hour * A_DAY / 24;
        let sweep = hour % SWEEP_EVERY == 0;
        let oldest = if sweep {
            newest.saturating_sub(LISTED)
        } else {
            listed
        };
        record.apply(
            Findings {
                began: at(hour),
                pages: (oldest..newest).rev().map(result).collect(),
                sweep: sweep.then_some(Sweep {
                    front: (newest - listed) as usize,
                    ..Sweep::default()
                }),
                ..Findings::default()
            },
            at(hour),
        );
        record.take_changes();
        listed = newest;
        most = most.max(record.held());
        if [1, 2, 5, 10, 20, LAST_DAY].map(|day| day * 24).contains(&hour) {
            let grown = of_status(std::process::id(), "VmRSS:").saturating_sub(before);
            println!("{} {} {most} {grown}", hour / 24, record.held());
        }
    }
}

pub fn run(targets: &mut Targets) {
    println!(
        "\n## The record: {A_DAY} results a day, a list of at most {LISTED}, a sweep every {SWEEP_EVERY} hours\n"
    );
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(DAYS)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    header(&["after days", "held", "most held", "memory"]);
    let mut last = (0, 0);
    for line in text.lines() {
        let [day, held, most, bytes] = line
            .split(' ')
            .map(|number| number.parse::<u64>().unwrap())
            .collect::<Vec<_>>()[..]
        else {
            panic!("{line}: {}", String::from_utf8_lossy(&output.stderr))
        };
        row(&[
            &day.to_string(),
            &held.to_string(),
            &most.to_string(),
            &megabytes(bytes),
        ]);
        last = (most, bytes);
    }
    let (most, bytes) = last;
    let limit = u64::from(LISTED + 2 * A_DAY * SWEEP_EVERY / 24);
    targets.add(
        "what is held of a capped list does not grow: the list, and what two sweeps have missed",
        format!("{most} held after {LAST_DAY} days, {}", megabytes(bytes)),
        Beside {
            limit: format!("{limit} held"),
            ..Beside::default()
        },
        Some(most > 0 && most <= limit),
    );
}
