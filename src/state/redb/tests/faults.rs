//! A disk that fails at every operation in turn.
//!
//! After each failure the store must recover by itself, with all that was acknowledged and nothing by halves.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use super::*;

/// What happens at one operation of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A write that fails and writes nothing.
    Write,
    /// A write of which only half arrives.
    ShortWrite,
    /// An fsync that fails.
    Sync,
    /// No room: neither to grow nor to write.
    Full,
    /// A read that fails.
    Read,
    /// The power goes: all that follows fails, and of what was not synced some writes arrive, chosen by a seed.
    PowerLoss(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    bytes: Vec<u8>,
    /// What outlives a power failure.
    durable: Vec<u8>,
    /// Not synced yet.
    pending: Vec<Pending>,
    operations: u64,
    fault: Option<(Fault, u64)>,
    tripped: bool,
    dead: bool,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(place, data) => {
                if bytes.len() < place + data.len() {
                    bytes.resize(place + data.len(), 0);
                }
                bytes[*place..place + data.len()].copy_from_slice(data);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn with(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..State::default()
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn fail_at(&self, operation: u64, fault: Fault) {
        let mut state = self.state();
        state.operations = 0;
        state.fault = Some((fault, operation));
    }

    /// The power comes back: what had not been synced is there or not.
    fn power_on(&self) {
        let mut state = self.state();
        if !state.dead {
            return;
        }
        let seed = match state.fault {
            Some((Fault::PowerLoss(seed), _)) => seed,
            _ => 0,
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = std::mem::take(&mut state.durable);
        for pending in std::mem::take(&mut state.pending) {
            // Seed 0: nothing arrives, 1: everything, else each write or not, or half of it.
            match pending {
                Pending::Write(place, data) if seed > 1 && random.u8(..4) == 0 => {
                    Pending::Write(place, data[..data.len() / 2].to_vec()).apply(&mut bytes);
                }
                pending if seed == 1 || (seed > 1 && random.bool()) => pending.apply(&mut bytes),
                _ => {}
            }
        }
        state.bytes = bytes.clone();
        state.durable = bytes;
        state.dead = false;
    }

    fn tripped(&self) -> bool {
        self.state().tripped
    }
}

impl State {
    /// The fault of the operation that begins now.
    fn next(&mut self) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(io::Error::other("the disk is gone"));
        }
        self.operations += 1;
        let fault = self
            .fault
            .filter(|(_, at)| *at == self.operations && !self.tripped)
            .map(|(fault, _)| fault);
        if let Some(Fault::PowerLoss(_)) = fault {
            (self.tripped, self.dead) = (true, true);
            return Err(io::Error::other("the disk is gone"));
        }
        Ok(fault)
    }

    fn trip(&mut self, kind: io::ErrorKind) -> io::Error {
        self.tripped = true;
        kind.into()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.next()? == Some(Fault::Read) {
            return Err(state.trip(io::ErrorKind::Other));
        }
        let place = offset as usize;
        let bytes = state
            .bytes
            .get(place..place + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if matches!(state.next()?, Some(Fault::Full | Fault::Write)) {
            return Err(state.trip(io::ErrorKind::StorageFull));
        }
        let change = Pending::Length(length as usize);
        change.apply(&mut state.bytes);
        state.pending.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.next()? == Some(Fault::Sync) {
            // As Linux has it: what could not be written is clean from now on, and may be lost.
            state.pending.clear();
            return Err(state.trip(io::ErrorKind::Other));
        }
        for pending in std::mem::take(&mut state.pending) {
            pending.apply(&mut state.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let (kept, failure) = match state.next()? {
            Some(Fault::Write) => (0, Some(io::ErrorKind::Other)),
            Some(Fault::Full) => (data.len() / 3, Some(io::ErrorKind::StorageFull)),
            Some(Fault::ShortWrite) => (data.len() / 2, Some(io::ErrorKind::WriteZero)),
            _ => (data.len(), None),
        };
        let change = Pending::Write(offset as usize, data[..kept].to_vec());
        change.apply(&mut state.bytes);
        state.pending.push(change);
        match failure {
            Some(kind) => Err(state.trip(kind)),
            None => Ok(()),
        }
    }
}

fn store_on(disk: &Disk) -> Arc<Store> {
    let disk = disk.clone();
    let open = move || -> Result<Database, redb::Error> {
        disk.power_on();
        Ok(Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(disk.clone())?)
    };
    Arc::new(Store::new(Redb::with_opener(PathBuf::from("DISK"), open)))
}

/// A sound disk with a first look at 200 results on it.
fn sound() -> Vec<u8> {
    let disk = Disk::default();
    let database = Builder::new().create_with_backend(disk.clone()).unwrap();
    format::begin(&database).unwrap();
    drop(database);
    let store = store_on(&disk);
    let mut held = Record::new(settings());
    let old = (0..200).map(|n| row(n, KnownStatus::Success));
    record(&store, &scope("a"), &mut held, sweep(old)).unwrap();
    drop(store);
    std::mem::take(&mut disk.state().bytes)
}

const POLLS: u32 = 4;
const NEW: u32 = 15;

/// Polls that find results, each again and again until it could be saved; and what was told on the way.
fn poll_until_saved(disk: &Disk, messages: &mut BTreeMap<String, u64>) -> Arc<Store> {
    let store = store_on(disk);
    let mut held = None;
    let mut acknowledged = 0;
    for number in 0..POLLS {
        let first = 1000 + number * NEW;
        for attempt in 0.. {
            assert!(attempt < 3, "no recovery");
            let saved = (|| {
                let mut held = match held.take() {
                    Some(held) => held,
                    None => load(&store, &scope("a"))?,
                };
                let (counted, _) = counted(&mut held);
                assert!(counted >= acknowledged, "lost: {counted} < {acknowledged}");
                assert_eq!(counted % u64::from(NEW), 0, "a poll by halves");
                let new = (first..first + NEW).map(|n| row(n, KnownStatus::Failed));
                record(&store, &scope("a"), &mut held, poll(new))?;
                Ok::<_, StateError>(held)
            })();
            match saved {
                Ok(mut saved) => {
                    acknowledged = counted(&mut saved).0;
                    assert_eq!(acknowledged, u64::from((number + 1) * NEW), "counted once");
                    held = Some(saved);
                    break;
                }
                Err(error) => {
                    assert!(
                        matches!(error, StateError::Disk { .. }),
                        "a failing disk is no damage: {error}"
                    );
                    *messages.entry(error.to_string()).or_default() += 1;
                }
            }
        }
    }
    store
}

fn at_every_operation(fault: Fault) {
    let sound = sound();
    let mut messages = BTreeMap::new();
    let mut operation = 0;
    let mut tripped = 0;
    loop {
        operation += 1;
        let disk = Disk::with(&sound);
        disk.fail_at(operation, fault);
        let store = poll_until_saved(&disk, &mut messages);
        let operations = disk.state().operations;
        tripped += u64::from(disk.tripped());
        // And all of it outlives a power failure right now.
        let durable = disk.state().durable.clone();
        let mut after = load(&store_on(&Disk::with(&durable)), &scope("a")).unwrap();
        assert_eq!(
            counted(&mut after),
            (u64::from(POLLS * NEW), 200 + (POLLS * NEW) as usize),
            "{fault:?} at {operation}"
        );
        drop(store);
        if operation > operations {
            break;
        }
    }
    println!("{fault:?}: {operation} operations, at {tripped} of them it happened");
    for (message, times) in &messages {
        println!("  {times} times: {message}");
    }
    assert!(tripped > 0, "{fault:?} never happened");
    assert!(!messages.is_empty());
}

#[test]
fn a_failing_write() {
    at_every_operation(Fault::Write);
}

#[test]
fn a_short_write() {
    at_every_operation(Fault::ShortWrite);
}

#[test]
fn a_failing_fsync() {
    at_every_operation(Fault::Sync);
}

#[test]
fn a_full_disk() {
    at_every_operation(Fault::Full);
}

#[test]
fn a_failing_read() {
    at_every_operation(Fault::Read);
}

#[test]
fn a_power_failure() {
    for seed in 0..6 {
        at_every_operation(Fault::PowerLoss(seed));
    }
}
