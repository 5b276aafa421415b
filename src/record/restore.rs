//! From the record to what is saved, and back.

use std::sync::Arc;

use super::saved::{Change, Damaged, Key, decode, encode};
use super::schedule::Schedule;
use super::slots::Flags;
use super::totals::Durations;
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
            Key::Total(combination) => self.totals.insert(combination, decode(key, value)?).is_none(),
            Key::Durations(status) => {
                let mut durations = decode::<Durations>(key, value)?;
                let is_sound = durations.is_sound();
                if is_sound {
                    durations.add_bounds(&self.settings.duration_buckets);
                }
                is_sound && self.durations.insert(status, durations).is_none()
            }
            Key::Delivery(finished, code) => self
                .deliveries
                .insert((finished, code), decode(key, value)?)
                .is_none(),
            Key::Entry(slot) => self.slots.restore(slot, decode(key, value)?),
            Key::Open(slot) => self.open.insert(slot, decode(key, value)?).is_none(),
            Key::Schedule(slot) => {
                let schedule: Schedule = decode(key, value)?;
                schedule.is_sound() && self.schedules.insert(slot, schedule).is_none()
            }
            Key::Failure(number) => {
                self.failures.restore(number, decode(key, value)?);
                true
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
