//! What a replica is among others.

use crate::expose::point::{Family, Sink, Start, Value};
use crate::view::Replica;

const LEADER: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_leader",
    "1 on the replica that leads, which polls and shows the counts; else 0.",
);

const STATE_UP: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_state_up",
    "1 when the database of the record answers this replica, else 0.",
);

const CHANGES: Family<'_> = Family::counter(
    "cloud_assistant_exporter_leadership_changes",
    "How often a replica has begun to lead, by the database. Shown by the leader.",
);

const REVISION: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_state_revision",
    "Number of the last save in the database. Shown by the leader.",
);

const LOST: Family<'_> = Family::counter(
    "cloud_assistant_exporter_lost_saves",
    "Saves that the database has lost after they may have been shown, by the database. Shown by the leader.",
);

/// Everything else that a replica shows which does not lead: what is registered under these names, and what is of the
/// process. Rules of relabelling rest on it.
pub(in crate::expose) const OF_STANDBY: [&str; 3] = [
    "cloud_assistant_exporter_build_info",
    "cloud_assistant_exporter_config_last_reload_success_timestamp_seconds",
    "cloud_assistant_exporter_config_last_reload_successful",
];

/// Gives what a replica is; nothing where there are no others.
pub(in crate::expose) fn of_replica(replica: &Replica, to: &mut dyn Sink) {
    let mut one = |family: &Family<'_>, value: Value<'_>| {
        to.family(family);
        to.of(&[]);
        to.point(&[], value);
    };
    match replica {
        Replica::Alone => {}
        Replica::Leader {
            epoch,
            revision,
            lost_saves,
        } => {
            one(&LEADER, 1u64.into());
            // Both are older than this process: nobody knows when they were 0.
            one(&CHANGES, Value::counted(*epoch, Start::Unknown));
            one(&REVISION, (*revision).into());
            one(&LOST, Value::counted(*lost_saves, Start::Unknown));
            one(&STATE_UP, 1u64.into());
        }
        Replica::Standby(standby) => {
            one(&LEADER, 0u64.into());
            one(&STATE_UP, u64::from(standby.trouble.is_none()).into());
        }
    }
}
