//! When a scope was last in use, and what follows from that: the same in every backend.

use crate::result::Seconds;

/// How long the state of a scope that is no longer configured is kept: a mistake in a configuration costs nothing.
const KEPT: Seconds = 30 * 86_400;

/// When a scope was last in use is known to the hour: that is not written at each poll.
const KNOWN_TO: Seconds = 3600;

/// Whether it is to be noted that a scope is in use, which was noted then.
pub(super) fn is_to_be_noted(used: Seconds, now: Seconds) -> bool {
    now.saturating_sub(used) >= KNOWN_TO
}

/// Whether a scope that is not configured is to be forgotten.
pub(super) fn is_over(used: Seconds, now: Seconds) -> bool {
    now.saturating_sub(used) > KEPT
}
