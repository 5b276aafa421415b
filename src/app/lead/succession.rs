//! Who may lead after whom, and what of the record may have been lost on the way: by what a replica has seen.
//!
//! `now` is [`crate::lease::now`], in whatever machine this is.

use std::time::Duration;

use crate::state::{DatabaseError, Known, Replica};

/// What a replica asks of the database before it leads.
pub(super) trait Seat {
    /// Who leads, or led last; nobody where none ever has.
    async fn known(&self) -> Result<Option<Known>, DatabaseError>;

    /// Whether somebody has the lock.
    async fn is_locked(&self) -> Result<bool, DatabaseError>;

    /// Takes the lock, if nobody has it.
    async fn try_lock(&self) -> Result<bool, DatabaseError>;
}

impl Seat for Replica {
    async fn known(&self) -> Result<Option<Known>, DatabaseError> {
        self.known().await
    }

    async fn is_locked(&self) -> Result<bool, DatabaseError> {
        self.is_locked().await
    }

    async fn try_lock(&self) -> Result<bool, DatabaseError> {
        self.try_lock().await
    }
}

/// What came of a try to lead.
#[derive(Debug)]
pub(super) enum Tried {
    /// It has the lock.
    Leads,
    /// Somebody else has it.
    Follows(Option<Known>),
    /// It leaves the lock to whoever led last.
    Yields(Option<Known>),
}

/// What one replica knows of the others.
#[derive(Debug)]
pub(super) struct Succession {
    /// `state.postgres.lease`.
    lease: Duration,
    /// Until when it leaves the lock to whoever led last: a lease, unless this session shows that nobody leads by another
    /// lock. After a failover of the database nobody has the lock in the new one, although a leader that still waits for
    /// the old one shows counts until its lease ends. And it alone knows what it has shown last, and so what was lost.
    yields_until: Option<Duration>,
    /// The term in which this replica was the last to lead, as far as it knows.
    led_last: Option<u64>,
    /// The highest number of a save that was ever seen: what was shown may be of it.
    highest: u64,
}

impl Succession {
    /// Of a replica that has seen nothing yet.
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            yields_until: None,
            led_last: None,
            highest: 0,
        }
    }

    /// There is a new session with the database.
    pub(super) fn connected(&mut self, now: Duration) {
        self.yields_until = Some(now + self.lease);
    }

    /// Tries to lead.
    pub(super) async fn try_to_lead(
        &mut self,
        seat: &impl Seat,
        now: impl Fn() -> Duration,
    ) -> Result<Tried, DatabaseError> {
        if self.yields_until.is_some() {
            let known = seat.known().await?;
            let is_mine = self.led_last(known.as_ref());
            // Whoever is seen to have the lock has it in the database that this replica asks: there is no other any more.
            if is_mine || self.has_waited(now()) || seat.is_locked().await? {
                self.yields_until = None;
            }
        }
        let yields = self.yields_until.is_some();
        if !yields {
            if seat.try_lock().await? {
                return Ok(Tried::Leads);
            }
            self.led_last = None;
        }
        let known = seat.known().await?;
        if let Some(known) = &known {
            self.saw(known.revision);
        }
        Ok(match yields {
            true => Tried::Yields(known),
            false => Tried::Follows(known),
        })
    }

    /// Whether nobody else has led since this replica did, or nobody ever has.
    fn led_last(&mut self, known: Option<&Known>) -> bool {
        let Some(known) = known else {
            return true;
        };
        self.led_last = self.led_last.filter(|mine| known.epoch <= *mine);
        self.led_last.is_some()
    }

    fn has_waited(&self, now: Duration) -> bool {
        self.yields_until.is_none_or(|until| now >= until)
    }

    /// It begins to lead, in this term.
    pub(super) fn began(&mut self, epoch: u64) {
        self.led_last = Some(epoch);
    }

    /// There has been a save of this number.
    pub(super) fn saw(&mut self, revision: u64) {
        self.highest = self.highest.max(revision);
    }

    /// The highest number of a save that was ever seen.
    pub(super) fn seen(&self) -> u64 {
        self.highest
    }
}
