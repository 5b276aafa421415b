//! Which replica leads, where several share a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::lease::{self, Lease};
use crate::result::Seconds;

/// What this replica is among others; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Leadership {
    /// None where the record is this process's alone: then it always shows what it has.
    role: Option<watch::Sender<Arc<Role>>>,
}

/// What a replica is, by its own last word.
#[derive(Debug, Clone)]
pub enum Role {
    /// It has nothing to show.
    Standby(Standby),
    /// It leads, for as long as the lease is held.
    Leader(Leader),
}

/// A replica that leads.
#[derive(Debug, Clone)]
pub struct Leader {
    /// Until when nobody else does.
    pub lease: Lease,
    /// How often a leader was made.
    pub epoch: u64,
    /// The number of the last save.
    pub revision: Arc<AtomicU64>,
    /// Saves that the database has ever lost, as far as anybody has seen it.
    pub lost_saves: u64,
}

/// A replica that does not lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standby {
    /// Why the database cannot be had, if it cannot.
    pub trouble: Option<String>,
    /// Who leads, or led last.
    pub leader: Option<Led>,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Led {
    /// Name and port.
    pub by: String,
    /// Since when.
    pub since: Seconds,
}

/// What a replica is at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replica {
    /// There are no others.
    Alone,
    /// It leads.
    Leader {
        /// How often a leader was made.
        epoch: u64,
        /// The number of the last save.
        revision: u64,
        /// Saves that the database has lost.
        lost_saves: u64,
    },
    /// It does not.
    Standby(Standby),
}

impl Leadership {
    /// Of a replica that does not lead yet.
    pub fn of_replica() -> Self {
        let standby = Standby {
            trouble: Some("it has not been asked yet".to_owned()),
            leader: None,
        };
        Self {
            role: Some(watch::Sender::new(Arc::new(Role::Standby(standby)))),
        }
    }

    /// It is this from now on. Nothing, where there are no others.
    pub fn set(&self, role: Role) {
        if let Some(sender) = &self.role {
            sender.send_replace(Arc::new(role));
        }
    }

    /// What it is now: to be asked when an answer is made, since a lease can end at any time.
    pub fn now(&self) -> Replica {
        self.at(lease::now())
    }

    /// The same, at that time of [`lease::now`].
    pub fn at(&self, now: Duration) -> Replica {
        let Some(role) = &self.role else {
            return Replica::Alone;
        };
        let role = Arc::clone(&role.borrow());
        match &*role {
            Role::Leader(leader) if leader.lease.is_held_at(now) => Replica::Leader {
                epoch: leader.epoch,
                revision: leader.revision.load(Ordering::Acquire),
                lost_saves: leader.lost_saves,
            },
            Role::Leader(_) => Replica::Standby(Standby {
                trouble: Some("it has not answered for as long as a leader may wait".to_owned()),
                leader: None,
            }),
            Role::Standby(standby) => Replica::Standby(standby.clone()),
        }
    }

    /// What it does, in words.
    pub fn doing(&self) -> &'static str {
        match self.shows() {
            true => "polling",
            false => "standing by",
        }
    }

    /// Whether it may show what it has.
    pub fn shows(&self) -> bool {
        !matches!(self.now(), Replica::Standby(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_shows_what_it_has_for_as_long_as_its_lease_is_held() {
        assert_eq!(Leadership::default().now(), Replica::Alone);
        let leadership = Leadership::of_replica();
        assert!(!leadership.shows());
        let lease = Lease::default();
        leadership.set(Role::Leader(Leader {
            lease: lease.clone(),
            epoch: 3,
            revision: Arc::new(AtomicU64::new(7)),
            lost_saves: 1,
        }));
        assert!(!leadership.shows(), "before the lease begins");
        lease.extend(lease::now() + Duration::from_secs(3600));
        let leader = Replica::Leader {
            epoch: 3,
            revision: 7,
            lost_saves: 1,
        };
        assert_eq!(leadership.now(), leader);
        assert_eq!(leadership.doing(), "polling");
        lease.end();
        assert!(!leadership.shows(), "whatever was said last");
        assert_eq!(leadership.doing(), "standing by");
    }
}
