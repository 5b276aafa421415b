//! A replica that does not lead: it tries to, once a second.

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

/// When the database comes back, whoever led before goes first, for so long: it alone knows what it has shown last, and
/// so what the database may have lost. Longer than it pauses between two tries.
const LEADER_FIRST: Duration = Duration::from_secs(4);

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
    /// Who was last seen to lead.
    led: Option<Led>,
    /// Whether this replica was the last to lead, as far as it knows.
    led_last: bool,
    /// Until when it leaves the lock to whoever led last.
    yields_until: Option<Instant>,
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
            postgres,
            leadership,
            replica: first,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            trouble: None,
            led: None,
            led_last: false,
            yields_until: None,
            highest: 0,
            counted: 0,
        }
    }

    /// There has been a save of this number.
    pub(super) fn saw(&mut self, revision: u64) {
        self.highest = self.highest.max(revision);
    }

    /// Everything that was ever shown is in the record again, whose last save has this number.
    pub(super) fn recovered(&mut self, revision: u64) {
        self.highest = revision;
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
                self.answers();
                self.pause = FIRST_PAUSE;
                // Replicas that were started together need not try at the same instant.
                self.next = Instant::now() + TRY_EVERY.mul_f64(0.9 + fastrand::f64() / 10.0);
                if !leads {
                    return None;
                }
                self.led_last = true;
                self.replica.take()
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
                let replica = Arc::new(Replica::connect(&self.postgres).await?);
                let knows = self.led_last || self.trouble.is_none();
                self.yields_until = (!knows).then(|| Instant::now() + LEADER_FIRST);
                Arc::clone(self.replica.insert(replica))
            }
        };
        let yields = self.yields_until.is_some_and(|until| Instant::now() < until);
        if !yields && replica.try_lock().await? {
            return Ok(true);
        }
        let known = replica.known().await?;
        if let Some(known) = &known {
            self.saw(known.revision);
        }
        // Where it was tried, somebody else has the lock.
        self.led_last &= yields;
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
        self.answers();
        self.stands_by();
        replica.break_stuck().await?;
        Ok(false)
    }

    fn answers(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("the database answers again");
        }
    }

    fn failed(&mut self, error: &DatabaseError) {
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
