//! Files that are not what was written: refused with what to do, or read without losing a count.

use super::*;

/// The state of `grown`, of which each case damages a copy.
struct Sound {
    directory: TempDir,
    counted: (u64, usize),
}

impl Sound {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let counted = grown(directory.path(), 40);
        Self { directory, counted }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.directory.path().join(FILE)).unwrap()
    }

    /// What opening and loading a damaged copy comes to: nothing lost, or a message.
    fn open(&self, what: &str, damaged: &[u8]) -> Option<String> {
        let copy = tempdir().unwrap();
        fs::copy(
            self.directory.path().join("revision"),
            copy.path().join("revision"),
        )
        .unwrap();
        let path = copy.path().join(FILE);
        fs::write(&path, damaged).unwrap();
        let mut found = match open(copy.path()).and_then(|store| load(&store, &scope("a"))) {
            Ok(found) => found,
            Err(error @ StateError::Disk { .. }) => panic!("{what}: the disk is not at fault: {error}"),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(&path.display().to_string()), "{what}: {text}");
                return Some(text.replace(&copy.path().display().to_string(), "DIR"));
            }
        };
        assert_eq!(counted(&mut found), self.counted, "{what}: a count was lost");
        None
    }
}

/// A state that has been opened, and in which one more result is saved.
fn one_more(directory: &Path) -> (Arc<Store>, Record) {
    let store = Arc::new(open(directory).unwrap());
    let mut held = load(&store, &scope("a")).unwrap();
    let found = poll([row(9000, KnownStatus::Success)]);
    record(&store, &scope("a"), &mut held, found).unwrap();
    (store, held)
}

#[test]
fn a_cut_off_file_is_refused() {
    let sound = Sound::new();
    let bytes = sound.bytes();
    let mut messages = BTreeMap::new();
    for length in (0..64)
        .chain([100, 320, 4095, 4096, 8192, bytes.len() / 2])
        .chain((1..=64).map(|part| bytes.len() * part / 65))
        .chain([bytes.len() - 4096, bytes.len() - 1])
    {
        let refused = sound.open(&format!("cut off at {length}"), &bytes[..length]);
        let refused = refused.unwrap_or_else(|| panic!("cut off at {length}: taken"));
        messages.entry(refused).or_insert(length);
    }
    for (message, length) in &messages {
        println!("cut off at {length}: {message}");
    }
    let empty = "the state file DIR/record.redb is damaged (it is empty); put back a copy of its directory, or empty \
                 that to begin again from nothing: counters then start at 0";
    assert_eq!(messages.get(empty), Some(&0));
}

#[test]
fn flipped_bits_are_noticed_or_do_no_harm() {
    let sound = Sound::new();
    let bytes = sound.bytes();
    let mut messages = BTreeMap::new();
    let mut harmless = 0;
    // Every bit of the header's flags, one of each other byte, and one byte in each piece of every page.
    let flags = (0..12).flat_map(|place| (0..8).map(move |bit| (place, 1 << bit)));
    let header = flags.chain((12..320).map(|place| (place, 1 << (place % 8))));
    let pages = (320..bytes.len()).step_by(499).map(|place| (place, 0xff));
    for (place, flip) in header.chain(pages) {
        let mut damaged = bytes.clone();
        damaged[place] ^= flip;
        match sound.open(&format!("{flip:#x} flipped at {place}"), &damaged) {
            Some(message) => *messages.entry(message).or_insert(0) += 1,
            None => harmless += 1,
        }
    }
    println!("harmless: {harmless}");
    for (message, times) in &messages {
        println!("{times} times: {message}");
    }
    assert!(!messages.is_empty());
}

#[test]
fn damage_to_a_file_that_was_not_closed_is_noticed_too() {
    let mut sound = Sound::new();
    let (store, mut held) = one_more(sound.directory.path());
    sound.counted = counted(&mut held);
    let bytes = sound.bytes();
    assert_eq!(sound.open("killed", &bytes), None);
    let mut behind = 0;
    for (place, flip) in (0..12)
        .flat_map(|place| (0..8).map(move |bit| (place, 1 << bit)))
        .chain((12..320).map(|place| (place, 1 << (place % 8))))
        .chain((320..bytes.len()).step_by(997).map(|place| (place, 0xff)))
    {
        let mut damaged = bytes.clone();
        damaged[place] ^= flip;
        let refused = sound.open(&format!("killed, {flip:#x} flipped at {place}"), &damaged);
        behind += u64::from(refused.is_some_and(|message| message.contains("lacks what was saved last")));
    }
    drop(store);
    assert!(
        behind > 0,
        "the header's word for which save is the last is in no checksum"
    );
}

#[test]
fn other_files_are_refused() {
    let sound = Sound::new();
    let text = sound.open("a text file", b"accounts: []\n".repeat(1000).as_slice());
    assert_eq!(
        text.as_deref(),
        Some(
            "the state file DIR/record.redb is damaged (it does not begin as a state file does); put back a copy of its \
             directory, or empty that to begin again from nothing: counters then start at 0"
        )
    );
    let directory = tempdir().unwrap();
    let path = directory.path().join("other.redb");
    let database = Builder::new().create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let other: TableDefinition<'_, &str, u64> = TableDefinition::new("other");
    transaction.open_table(other).unwrap().insert("a", 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let foreign = sound.open("a file of another program", &fs::read(&path).unwrap());
    assert_eq!(
        foreign.as_deref(),
        Some("DIR/record.redb is not a state file of cloud-assistant-exporter; give it another state.path")
    );
}

#[test]
fn a_newer_version_is_refused() {
    let directory = tempdir().unwrap();
    let store = redb(directory.path()).unwrap();
    store
        .write(|transaction| {
            transaction.open_table(FORMAT)?.insert("version", VERSION + 1)?;
            Ok(())
        })
        .unwrap();
    drop(store);
    let refused = open(directory.path()).unwrap_err().to_string();
    assert!(
        refused.ends_with(
            "record.redb has format 4, which is newer than this program reads (3); run the version of the program that \
             wrote it, or a later one"
        ),
        "{refused}"
    );
}

#[test]
fn pairs_that_do_not_decode_are_refused() {
    let directory = tempdir().unwrap();
    grown(directory.path(), 1);
    let good = fs::read(directory.path().join(FILE)).unwrap();
    let long: &[u8] = &[0xff; 40];
    for ((kind, number), value, expected) in [
        ((0, 0), &[][..], "the saved Head is damaged"),
        ((0, 0), long, "the saved Head is damaged"),
        ((1, 0), &[2, 0xff, 0xff], "the saved Label(Status(0)) is damaged"),
        ((4, 5), &[1], "the saved Total("),
        ((5, 200), &[1, 2], "the saved Durations("),
        ((6, 1), &[], "the saved Delivery("),
        ((7, 3), &[7; 5], "the saved Entry(3) is damaged"),
        ((7, 99), &[0; 28], "the saved Entry(99) is damaged"),
        ((8, 1), long, "the saved Open(1) is damaged"),
        ((9, 1), &[1], "the saved Schedule(1) is damaged"),
        ((10, 1), &[1], "the saved Failure(1) is damaged"),
        ((77, 0), &[], "an unknown kind of entry, 77"),
    ] {
        fs::write(directory.path().join(FILE), &good).unwrap();
        let _ = fs::remove_file(directory.path().join("revision"));
        let store = redb(directory.path()).unwrap();
        store
            .write(|transaction| {
                transaction.open_table(RECORD)?.insert((0, kind, number), value)?;
                Ok(())
            })
            .unwrap();
        let refused = load(&Store::new(store), &scope("a")).unwrap_err();
        assert!(
            matches!(&refused, StateError::Damaged { what, .. } if what.contains(expected)),
            "({kind}, {number}): {refused}"
        );
    }
}

#[test]
fn an_older_or_missing_file_is_not_gone_on_from_unasked() {
    let directory = tempdir().unwrap();
    grown(directory.path(), 2);
    let file = directory.path().join(FILE);
    let older = fs::read(&file).unwrap();
    let (store, _) = one_more(directory.path());
    drop(store);

    fs::write(&file, older).unwrap();
    let refused = open(directory.path()).unwrap_err().to_string();
    println!("{refused}");
    assert!(
        refused.contains("lacks what was saved last: it has save 3, and the last was 4"),
        "{refused}"
    );
    fs::remove_file(&file).unwrap();
    let refused = open(directory.path()).unwrap_err().to_string();
    println!("{refused}");
    assert!(
        refused.contains("is missing, although it has been saved before"),
        "{refused}"
    );
    let revision_file = directory.path().join("revision");
    fs::write(&revision_file, "00000000000000000009 00000000\n").unwrap();
    let refused = open(directory.path()).unwrap_err().to_string();
    println!("{refused}");
    assert!(
        refused.contains("revision is damaged: it has the number"),
        "{refused}"
    );
    // As each message says.
    fs::remove_file(&revision_file).unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    assert!(load(&store, &scope("a")).unwrap().needs_baseline());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let directory = tempdir().unwrap();
    let refusal = |path: &Path| open(path).unwrap_err().to_string();
    let in_the_way = directory.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let refused = refusal(&in_the_way);
    assert!(
        refused.contains("cannot be opened: File exists"),
        "a file in place of the directory: {refused}"
    );
    let state = directory.path().join("state");
    fs::create_dir_all(state.join(FILE)).unwrap();
    let refused = refusal(&state);
    println!("{refused}");
    assert!(
        refused.contains("check its permissions") || refused.contains("is damaged"),
        "{refused}"
    );
    let unreadable = directory.path().join("unreadable");
    grown(&unreadable, 1);
    set_mode(&unreadable.join(FILE), 0o000);
    if fs::File::open(unreadable.join(FILE)).is_ok() {
        println!("left out: this user may read everything");
        return;
    }
    let refused = refusal(&unreadable);
    assert!(
        refused.contains("cannot be opened: Permission denied"),
        "{refused}"
    );
}

fn set_mode(path: &PathBuf, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
