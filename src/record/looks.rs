//! When to look again for what was looked for in vain.

use std::time::Duration;

/// How the pauses between looks in vain grow: from one interval, doubling, to that of sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pauses {
    /// The first, and about how far apart polls are.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

/// What a look for something has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// It was there.
    Found,
    /// It was not where it should be, or nothing could be read.
    Partly,
    /// It was not there: everything was read.
    Thoroughly,
}

/// When something is to be looked for again that was looked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    /// By the process's own time.
    not_before: Duration,
    /// The last pause.
    pause: Duration,
    /// Whether one has been thorough, which is done once.
    was_thorough: bool,
}

impl Looks {
    /// Whether the time for the next look has come. A poll that begins a little early does not miss its turn.
    pub fn is_due(self, steady: Duration, pauses: Pauses) -> bool {
        steady + pauses.least / 4 >= self.not_before
    }

    /// It was looked for at `steady`, in vain.
    pub fn in_vain(&mut self, steady: Duration, pauses: Pauses) {
        self.pause = (self.pause * 2).clamp(pauses.least, pauses.most.max(pauses.least));
        self.not_before = steady + self.pause;
    }

    /// It was looked for at `steady`.
    pub(super) fn looked(&mut self, looked: Looked, steady: Duration, pauses: Pauses) {
        match looked {
            Looked::Found => *self = Self::default(),
            Looked::Partly | Looked::Thoroughly => self.in_vain(steady, pauses),
        }
        self.was_thorough |= looked == Looked::Thoroughly;
    }

    /// Whether it has been looked for, in vain.
    pub(super) fn was_in_vain(self) -> bool {
        self.pause > Duration::ZERO
    }

    /// Whether the pauses have grown as long as they do.
    pub(super) fn is_patient(self, pauses: Pauses) -> bool {
        self.pause >= pauses.most && !self.was_thorough
    }
}
