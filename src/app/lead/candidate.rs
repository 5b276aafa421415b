//! A replica that does not lead: it tries to, once a second.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::succession::{Succession, Tried};
use crate::config;
use crate::lease;
use crate::secret::Secret;
use crate::state::{DatabaseError, Replica};
use crate::view::{Leadership, Led, Role, Standby};

/// How often a replica tries to lead: so soon one takes over from one that has died.
pub(super) const TRY_EVERY: Duration = Duration::from_secs(1);

/// Between the first two tries to connect; then longer and longer.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);

pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
    /// The URL of which it is known that no pooler is in between.
    direct: Option<Secret>,
    /// When it may lead, and what it would lack.
    pub(super) succession: Succession,
}

impl Candidate {
    pub(super) fn new(
        postgres: Box<config::Postgres>,
        leadership: Leadership,
        first: Option<Arc<Replica>>,
    ) -> Self {
        let mut succession = Succession::new(postgres.lease);
        if first.is_some() {
            succession.connected(lease::now());
        }
        Self {
            direct: first.as_ref().map(|first| first.url().clone()),
            succession,
            postgres,
            leadership,
            replica: first,
            next: Instant::now(),
            pause: FIRST_PAUSE,
            trouble: None,
            is_hindered: false,
            led: None,
        }
    }

    /// It leads.
    pub(super) fn leads(&mut self) {
        self.is_hindered = false;
        self.answers();
        self.pause = FIRST_PAUSE;
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
                let replica = Replica::connect_to_database(&self.postgres, self.direct.as_ref()).await?;
                self.direct = Some(replica.url().clone());
                self.succession.connected(lease::now());
                Arc::clone(self.replica.insert(Arc::new(replica)))
            }
        };
        let known = match self.succession.try_to_lead(&*replica, lease::now).await? {
            Tried::Leads => return Ok(true),
            Tried::Follows(known) => {
                self.is_hindered = false;
                known
            }
            Tried::Yields(known) => known,
        };
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
