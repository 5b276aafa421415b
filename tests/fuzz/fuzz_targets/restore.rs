//! Saved pairs that were damaged in ways that no checksum shows: they are refused, or what they say can be shown, gone on
//! with, saved and read again.

#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::record::{
    Answer, Change, CommandSettings, Findings, History, Naming, Record, Settings, Sought, Sweep,
};
use cloud_assistant_exporter::result::{CommandOfRow, InvocationSummary, KnownStatus, Row, Status};
use cloud_assistant_exporter::selection::{NamePattern, Selection, Selector};
use cloud_assistant_exporter_fuzz::record::{Picture, at, row, settings};
use libfuzzer_sys::fuzz_target;

type Pairs = BTreeMap<(u8, u64), Vec<u8>>;

const NOW: u32 = 1_800_000_000;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(choices: &mut Unstructured<'_>) -> Result<()> {
    let settings = Settings {
        commands: choices.arbitrary::<bool>()?.then(|| {
            let name = NamePattern::parse("backup.*").expect("a regular expression");
            CommandSettings {
                selection: Arc::new(Selection::new(vec![Selector {
                    name: Some(name),
                    id: None,
                    tag: None,
                }])),
                max_commands: 2,
                durations: true,
            }
        }),
        ..settings(*choices.choose(&[0, 90])?)
    };
    let mut record = Record::new(settings.clone());
    let mut pairs = Pairs::new();
    let mut now = NOW;
    for poll in 0..choices.int_in_range(1..=3)? {
        let findings = findings(choices, now, poll == 0)?;
        record.apply(findings, at(now));
        save(&mut pairs, record.take_changes());
        now += 60;
    }
    check(&settings, pairs.clone(), now, choices, false)?;
    for _ in 0..choices.int_in_range(1..=6)? {
        damage(choices, &mut pairs)?;
    }
    check(&settings, pairs, now, choices, true)
}

fn findings(choices: &mut Unstructured<'_>, now: u32, is_sweep: bool) -> Result<Findings> {
    let mut pages = Vec::new();
    for _ in 0..choices.int_in_range(0..=8)? {
        pages.push(any_row(choices, now)?);
    }
    let answers = match choices.ratio(1_u8, 3)? {
        true => vec![Answer {
            asked: pages.iter().map(|row: &Row| row.identity).collect(),
            rows: vec![any_row(choices, now)?],
        }],
        false => Vec::new(),
    };
    let scheduled = pages.iter().find(|row: &&Row| row.scheduled).cloned();
    let histories = match scheduled {
        Some(row) => {
            let runs = (1..=choices.int_in_range(0..=4)?).map(|run| Row {
                status: Status::Known(KnownStatus::Failed),
                repeats: run,
                ..row.clone()
            });
            vec![History {
                asked: vec![(row.identity, Sought::Newest)],
                thorough: false,
                rows: runs.collect(),
            }]
        }
        None => Vec::new(),
    };
    let naming = match choices.ratio(1_u8, 2)? {
        true => Naming {
            found: vec![InvocationSummary {
                command_id: "c-1".into(),
                invoke_id: "t-1".into(),
                name: (*choices.choose(&["backup", "backup-2", "other", ""])?).into(),
                kind: "RunShellScript".into(),
                repeat_mode: (*choices.choose(&["Once", "Period"])?).into(),
                frequency: "0 0 * * *".into(),
                created: now - 1000,
            }],
            missing: vec!["c-2".into()],
            ..Naming::default()
        },
        false => Naming::default(),
    };
    let front = choices.int_in_range(0..=pages.len())?;
    let sweep = (is_sweep || choices.ratio(1_u8, 4)?).then_some(Sweep {
        front,
        ..Sweep::default()
    });
    Ok(Findings {
        sweep,
        pages,
        skipped: 0,
        answers,
        histories,
        naming,
        ..Findings::default()
    })
}

fn any_row(choices: &mut Unstructured<'_>, now: u32) -> Result<Row> {
    let status = match choices.int_in_range(0..=12)? {
        12 => Status::Unknown("Exploded".into()),
        known => Status::Known(KnownStatus::ALL[known]),
    };
    let started = now - choices.int_in_range(0..=100_000)?;
    let finished = choices
        .ratio(3_u8, 4)?
        .then_some(started.saturating_add(choices.int_in_range(0..=7300)?));
    let number = choices.int_in_range(0..=15)?;
    let mut row = row(number, status, choices.arbitrary()?, started, finished);
    row.repeats = choices.int_in_range(0..=3)?;
    row.scheduled |= row.repeats > 1;
    row.command = row.ids.as_ref().map(|ids| {
        Arc::new(CommandOfRow {
            id: ids.command_id.clone(),
            tagged: 0,
        })
    });
    Ok(row)
}

fn save(pairs: &mut Pairs, changes: Vec<Change>) {
    for Change { key, value } in changes {
        match value {
            Some(value) => pairs.insert(key.encode(), value),
            None => pairs.remove(&key.encode()),
        };
    }
}

fn damage(choices: &mut Unstructured<'_>, pairs: &mut Pairs) -> Result<()> {
    let keys: Vec<(u8, u64)> = pairs.keys().copied().collect();
    if keys.is_empty() {
        return Ok(());
    }
    let key = *choices.choose(&keys)?;
    let number = match choices.int_in_range(0..=3)? {
        0 => *choices.choose(&[
            0,
            1,
            255,
            65_535,
            65_536,
            100_000_000,
            u64::from(u32::MAX),
            u64::MAX,
            1 << 48,
        ])?,
        1 => choices.arbitrary()?,
        _ => key.1.wrapping_add(choices.int_in_range(0..=3)?),
    };
    let value = pairs[&key].clone();
    match choices.int_in_range(0..=6)? {
        0 => {
            pairs.remove(&key);
        }
        1 => {
            pairs.remove(&key);
            pairs.insert((key.0, number), value);
        }
        2 => {
            pairs.insert((choices.int_in_range(0..=17)?, number), value);
        }
        3 => {
            let length = choices.int_in_range(0..=12)?;
            pairs.insert(key, choices.bytes(length)?.to_owned());
        }
        // A number written in seven bits a byte becomes large.
        4 => {
            let mut value = value;
            let place = choices.int_in_range(0..=value.len())?;
            value.splice(
                place..(place + 1).min(value.len()),
                [0xff, 0xff, 0xff, 0xff, 0x0f],
            );
            pairs.insert(key, value);
        }
        _ => {
            let mut value = value;
            if !value.is_empty() {
                let place = choices.choose_index(value.len())?;
                value[place] = choices.arbitrary()?;
            }
            pairs.insert(key, value);
        }
    }
    Ok(())
}

fn read(settings: &Settings, pairs: &Pairs, now: u32) -> std::result::Result<Record, String> {
    let pairs = pairs.iter().map(|(place, value)| (*place, value.as_slice()));
    Record::from_pairs(settings, pairs, now).map_err(|damaged| damaged.to_string())
}

fn shown(record: &mut Record, now: u32) -> Picture {
    record
        .counts(at(now).steady)
        .map(|counts| Picture::of(&counts))
        .unwrap_or_default()
}

fn check(
    settings: &Settings,
    mut pairs: Pairs,
    now: u32,
    choices: &mut Unstructured<'_>,
    is_damaged: bool,
) -> Result<()> {
    let mut record = match read(settings, &pairs, now) {
        Ok(record) => record,
        Err(error) => {
            assert!(is_damaged && !error.is_empty(), "{error}");
            return Ok(());
        }
    };
    let before = shown(&mut record, now);
    assert!(record.open().count() <= record.held() && record.schedules().count() <= record.held());
    save(&mut pairs, record.take_changes());
    let mut record = read(settings, &pairs, now).expect("what was accepted and saved is accepted again");
    assert_eq!(shown(&mut record, now), before);
    for poll in 1..=2 {
        let findings = findings(choices, now + 60 * poll, poll == 2)?;
        record.apply(findings, at(now + 60 * poll));
    }
    let later = now + 3600;
    let after = shown(&mut record, later);
    after.assert_after(&before, &[]);
    save(&mut pairs, record.take_changes());
    let mut record = read(settings, &pairs, later).expect("what was gone on with is accepted again");
    // Holds go on for the time that nobody could see a series.
    shown(&mut record, later + 3600).assert_after(&after, &[]);
    Ok(())
}
