//! From the record to what is saved, and back.

use std::sync::Arc;

use super::failure::Failure;
use super::saved::{Change, Damaged, Key, decode, encode};
use super::schedule::Schedule;
use super::slots::{Entry, Flags};
use super::totals::{Counter, Durations, Total};
use super::{Head, Record, Settings};
use crate::result::Seconds;

impl Record {
    /// What has changed since the last call, and must be saved before it is shown.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.note_names();
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved
            .into_iter()
            .map(|key| Change {
                key,
                value: self.value(key),
            })
            .collect()
    }

    fn value(&self, key: Key) -> Option<Vec<u8>> {
        match key {
            Key::Head => Some(encode(&self.head)),
            Key::Label(label) => Some(encode(&self.labels.text(label))),
            Key::Total(combination) => self.totals.get(&combination).map(encode),
            Key::Durations(status) => self.durations.get(&status).map(encode),
            Key::Delivery(finished, error_code) => self.deliveries.get(&(finished, error_code)).map(encode),
            Key::Entry(slot) => self.slots.get(slot).map(encode),
            Key::Open(slot) => self.open.get(&slot).map(encode),
            Key::Schedule(slot) => self.schedules.get(&slot).map(encode),
            Key::Failure(number) => self.failures.get(number).map(encode),
            Key::Command(_) | Key::CommandSeries(_) | Key::CommandOf(_) | Key::Unnamed(_) => {
                self.commands.as_ref()?.value(key)
            }
        }
    }

    /// Takes back one saved pair. Pairs must come in the order of their encoded keys, then [`Record::restored`].
    ///
    /// # Errors
    /// When the bytes are not what this program writes under that key.
    pub fn restore(&mut self, key: Key, value: &[u8]) -> Result<(), Damaged> {
        let sound = match key {
            Key::Head => {
                self.head = decode::<Head>(key, value)?;
                true
            }
            Key::Label(label) => {
                let text: &str = postcard::from_bytes(value).map_err(|_| Damaged { key })?;
                Arc::make_mut(&mut self.labels).restore(label, text)
            }
            Key::Total(combination) => {
                let total: Total = decode(key, value)?;
                let is_sound = total.counter.is_sound() && self.labels.has(combination);
                is_sound && self.totals.insert(combination, total).is_none()
            }
            Key::Durations(status) => {
                let mut durations = decode::<Durations>(key, value)?;
                let is_sound = durations.is_sound() && self.labels.has_status(status);
                if is_sound {
                    durations.add_bounds(&self.settings.duration_buckets);
                }
                is_sound && self.durations.insert(status, durations).is_none()
            }
            Key::Delivery(finished, code) => {
                let counter: Counter = decode(key, value)?;
                let is_sound = counter.is_sound() && usize::from(code) < self.labels.error_codes.len();
                is_sound && self.deliveries.insert((finished, code), counter).is_none()
            }
            Key::Entry(slot) => {
                let entry: Entry = decode(key, value)?;
                self.labels.has(entry.combination) && self.slots.restore(slot, entry)
            }
            Key::Open(slot) => self.open.insert(slot, decode(key, value)?).is_none(),
            Key::Schedule(slot) => {
                let schedule: Schedule = decode(key, value)?;
                schedule.is_sound() && self.schedules.insert(slot, schedule).is_none()
            }
            Key::Failure(number) => {
                let failure: Failure = decode(key, value)?;
                let is_sound = self.labels.has(failure.combination);
                if is_sound {
                    self.failures.restore(number, failure);
                }
                is_sound
            }
            Key::Command(_) | Key::CommandSeries(_) | Key::CommandOf(_) | Key::Unnamed(_) => {
                match &mut self.commands {
                    Some(commands) => commands.restore(key, value)?,
                    // Nothing is selected any more: with the next save it goes.
                    None => {
                        self.unsaved.insert(key);
                        true
                    }
                }
            }
        };
        if sound { Ok(()) } else { Err(Damaged { key }) }
    }

    /// After the last pair: makes what is derived, as of `now` by the wall clock, which nobody has confirmed yet.
    ///
    /// # Errors
    /// When something is said about a result that is not held.
    pub fn restored(&mut self, now: Seconds) -> Result<(), Damaged> {
        self.slots.restored();
        for slot in self.open.keys() {
            let key = Key::Open(*slot);
            self.slots
                .get(*slot)
                .filter(|entry| entry.is_followed())
                .ok_or(Damaged { key })?;
        }
        if !self
            .head
            .newest
            .keys()
            .all(|status| self.labels.has_status(*status))
        {
            return Err(Damaged { key: Key::Head });
        }
        for slot in self.schedules.keys() {
            self.slots.get(*slot).ok_or(Damaged {
                key: Key::Schedule(*slot),
            })?;
        }
        self.window.advance(now, std::iter::empty());
        for (slot, entry) in self.slots.iter() {
            if entry.is_followed() && !self.open.contains_key(&slot) {
                return Err(Damaged {
                    key: Key::Entry(slot),
                });
            }
            self.window.add(entry.combination, entry);
            if entry.flags.has(Flags::RUN) {
                self.runs.insert((entry.time, slot));
            }
        }
        self.restored_commands(now)?;
        Ok(())
    }

    /// Reads a whole saved record.
    ///
    /// # Errors
    /// As [`Record::restore`] and [`Record::restored`].
    pub fn from_saved<'a>(
        settings: Settings,
        pairs: impl IntoIterator<Item = (Key, &'a [u8])>,
        now: Seconds,
    ) -> Result<Self, Damaged> {
        let mut record = Self::new(settings);
        for (key, value) in pairs {
            record.restore(key, value)?;
        }
        record.restored(now)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Pauses;
    use crate::record::label::{Combination, NewLabel, StatusNumber};
    use crate::record::schedule::tests::schedule;
    use crate::record::slots::tests::entry;
    use crate::result::KnownStatus;

    fn record() -> Record {
        Record::new(Settings {
            window: 86_400,
            new_series_hold: 0,
            max_error_codes: 100,
            max_exit_codes: 100,
            duration_buckets: vec![1.0],
            filter: 0,
            pauses: Pauses::default(),
            commands: None,
        })
    }

    /// Pairs that pass the checksums of the store, and that no version of the program has saved.
    #[test]
    fn damaged_pairs_are_refused_as_they_are_read() {
        let mut known = entry(1);
        let unknown_code = Combination {
            status: StatusNumber::of(KnownStatus::Failed),
            error_code: 5000,
            exit_code: 0,
        };
        let too_large = Counter {
            value: u64::MAX,
            hold: crate::record::hold::Hold::Over,
        };
        let mut unsound = schedule(10);
        unsound.gaps = vec![(5, 3)];
        known.combination = Combination {
            error_code: 0,
            ..unknown_code
        };
        let unknown = Entry {
            combination: unknown_code,
            ..known
        };
        for (key, value, is_sound) in [
            (Key::Entry(1), encode(&known), true),
            (Key::Entry(100_000_000), encode(&known), false),
            (Key::Entry(2), encode(&unknown), false),
            (Key::Delivery(true, 0), encode(&too_large), false),
            (
                Key::Delivery(true, 5000),
                encode(&Counter::new(too_large.hold)),
                false,
            ),
            (Key::Schedule(1), encode(&schedule(10)), true),
            (Key::Schedule(1), encode(&unsound), false),
            (Key::Label(NewLabel::ErrorCode(10)), encode(&"New"), true),
            (
                Key::Label(NewLabel::ErrorCode(10)),
                encode(&"ExitCodeNonzero"),
                false,
            ),
        ] {
            assert_eq!(record().restore(key, &value).is_ok(), is_sound, "{key:?}");
        }
    }

    #[test]
    fn labels_of_earlier_versions_become_one_line() {
        let mut record = record();
        for (number, text) in [(10, "A\rB"), (11, "A\u{2028}B")] {
            record
                .restore(Key::Label(NewLabel::ErrorCode(number)), &encode(&text))
                .unwrap();
        }
        assert_eq!(record.labels.error_codes.text(10), "A\u{fffd}B");
        assert_eq!(record.labels.error_codes.text(11), "A\u{fffd}B\u{fffd}");
    }
}
