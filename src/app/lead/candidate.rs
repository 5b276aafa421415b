//! A replica that does not lead: it tries to, once a second.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config;
use crate::state::{DatabaseError, Replica};
use crate::view::{Leadership, Led, Role, Standby};

/// How often a replica tries to lead: so soon one takes over from one that has died.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Between the first two tries to connect; then longer and longer.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A replica's tries to lead.
#[derive(Debug)]
pub(super) struct Candidate {
    postgres: Box<config::Postgres>,
    leadership: Leadership,
    replica: Option<Arc<Replica>>,
    next: Instant,
    pause: Duration,
    /// What was last said of the database, so that it is said once.
    trouble: Option<String>,
    /// Whether that was why it could not begin to lead, which a mere answer does not end.
    is_hindered: bool,
    /// Who was last seen to lead.
    led: Option<Led>,
    /// The term in which this replica was the last to lead, as far as it knows.
    led_last: Option<u64>,
    /// Until when it leaves the lock to whoever led last: a lease, unless this session shows that nobody leads by another
    /// lock. After a failover of the database nobody has the lock in the new one, although a leader that still waits for
    /// the old one shows counts until its lease ends. And it alone knows what it has shown last, and so what was lost.
    yields_until: Option<Instant>,
    /// Whether it is known that no pooler is in between.
    is_checked: bool,
    /// The highest number of a save that was ever seen: what was shown may be of it.
    highest: u64,
    /// The highest number for which a loss was counted: what is lost is counted once.
    counted: u64,
}

impl Candidate {
    pub(super) fn new(
        postgres: Box<config::Postgres>,
        leadership: Leadership,
        first: Option<Arc<Replica>>,
    ) -> Self {
        Self {
            is_checked: first.is_some(),
            yields_until: first.is_some().then(|| Instant::now() + postgres.lease),
            postgres,
            leadership,
            replica: first,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            trouble: None,
            is_hindered: false,
            led: None,
            led_last: None,
            highest: 0,
            counted: 0,
        }
    }

    /// It begins to lead, in this term.
    pub(super) fn began(&mut self, epoch: u64) {
        self.led_last = Some(epoch);
    }

    /// It leads.
    pub(super) fn leads(&mut self) {
        self.is_hindered = false;
        self.answers();
        self.pause = FIRST_PAUSE;
    }

    /// There has been a save of this number.
    pub(super) fn saw(&mut self, revision: u64) {
        self.highest = self.highest.max(revision);
    }

    /// Everything that was ever shown is in the record again, whose last save has this number.
    pub(super) fn recovered(&mut self, revision: u64) {
        self.highest = revision;
    }

    /// The highest number of a save that was ever seen.
    pub(super) fn seen(&self) -> u64 {
        self.highest
    }

    /// How many of the saves that were seen a record lacks whose last one has this number.
    pub(super) fn lacking(&self, revision: u64) -> u64 {
        self.highest.saturating_sub(revision)
    }

    /// The same, of which nobody has been told yet.
    pub(super) fn newly_lost(&mut self, revision: u64) -> u64 {
        let is_known = std::mem::replace(&mut self.counted, self.highest) == self.highest;
        match is_known {
            true => 0,
            false => self.lacking(revision),
        }
    }

    /// Waits for the next try; gives the replica that has the lock. Whoever stops waiting may begin again.
    pub(super) async fn next_try(&mut self) -> Option<Arc<Replica>> {
        sleep_until(self.next).await;
        match self.try_to_lead().await {
            Ok(leads) => {
                // Replicas that were started together need not try at the same instant.
                self.next = Instant::now() + TRY_EVERY.mul_f64(0.9 + fastrand::f64() / 10.0);
                if leads {
                    self.stands_by();
                    return self.replica.take();
                }
                self.pause = FIRST_PAUSE;
                None
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn try_to_lead(&mut self) -> Result<bool, DatabaseError> {
        let replica = match &self.replica {
            Some(replica) => Arc::clone(replica),
            None => {
                let replica = match self.is_checked {
                    true => Replica::connect(&self.postgres).await?,
                    false => Replica::connect_to_database(&self.postgres).await?,
                };
                self.is_checked = true;
                self.yields_until = Some(Instant::now() + self.postgres.lease);
                Arc::clone(self.replica.insert(Arc::new(replica)))
            }
        };
        if !self.yields(&replica).await? {
            if replica.try_lock().await? {
                return Ok(true);
            }
            // Somebody else has the lock.
            self.led_last = None;
            self.is_hindered = false;
        }
        let known = replica.known().await?;
        if let Some(known) = &known {
            self.saw(known.revision);
        }
        let led = known.map(|known| Led {
            by: known.leader,
            since: known.since,
        });
        if led != self.led
            && let Some(led) = &led
        {
            tracing::info!(leader = led.by, "standing by");
        }
        self.led = led;
        if !self.is_hindered {
            self.answers();
        }
        self.stands_by();
        replica.break_stuck().await?;
        Ok(false)
    }

    /// Whether it leaves the lock to whoever led last.
    async fn yields(&mut self, replica: &Replica) -> Result<bool, DatabaseError> {
        let Some(until) = self.yields_until else {
            return Ok(false);
        };
        let led_last = match replica.known().await? {
            // Nobody ever led.
            None => true,
            Some(known) => {
                self.led_last = self.led_last.filter(|mine| known.epoch <= *mine);
                self.led_last.is_some()
            }
        };
        if led_last || Instant::now() >= until || replica.is_locked().await? {
            self.yields_until = None;
        }
        Ok(self.yields_until.is_some())
    }

    fn answers(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("the database answers again");
        }
    }

    /// It had the lock, and cannot lead; it has its session still, or not.
    pub(super) fn could_not_begin(&mut self, error: &impl Display, kept: Option<&Arc<Replica>>) {
        self.is_hindered = true;
        self.failed(error);
        self.replica = kept.map(Arc::clone);
    }

    /// The next try is later.
    fn failed(&mut self, error: &impl Display) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(error = trouble, "the database of the record cannot be had");
        }
        self.trouble = Some(trouble);
        self.replica = None;
        self.stands_by();
        self.next = Instant::now() + self.pause.mul_f64(1.0 + fastrand::f64() / 2.0);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn stands_by(&self) {
        self.leadership.set(Role::Standby(Standby {
            trouble: self.trouble.clone(),
            leader: self.led.clone(),
        }));
    }
}
