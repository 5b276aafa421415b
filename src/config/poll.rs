//! How often the cloud is asked, and how fast.

use std::time::Duration;

use super::fields::{Fields, Value};
use crate::shown::shown;

/// `poll`: when each scope is read, and how long that may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// `poll.interval`: from the start of one poll of a scope to that of the next. Default 60s; not 0.
    pub interval: Duration,
    /// `poll.window`: how far the gauges of recent results look back. Default 24h; not 0.
    pub window: Duration,
    /// `poll.sweep_interval`: how often everything that is still listed is read again. Default 6h; 0 reads it only
    /// at first.
    pub sweep_interval: Duration,
    /// `poll.discovery_interval`: how often the regions of an account without configured ones are looked up.
    /// Default 1h; not 0.
    pub discovery_interval: Duration,
    /// `poll.request_timeout`: how long one request may take, its answer read whole. Default 20s; not 0.
    pub request_timeout: Duration,
    /// `poll.timeout`: how long one whole poll may take, retries and waits included. Default 30m; not below
    /// `request_timeout`.
    pub timeout: Duration,
}

/// `rate_limit`: how many requests are sent, for each action of each scope on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// `rate_limit.requests_per_second`: the lasting rate. Default 2; above 0, at most 1000.
    pub requests_per_second: f64,
    /// `rate_limit.burst`: how many may be sent at once after a rest. Default 10; from 1 to 10000.
    pub burst: u32,
}

/// Faster than any threshold of the API, so more is a mistake.
const MAXIMUM_REQUESTS_PER_SECOND: f64 = 1000.0;

// === impl Poll ===

impl Default for Poll {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            window: Duration::from_secs(24 * 60 * 60),
            sweep_interval: Duration::from_secs(6 * 60 * 60),
            discovery_interval: Duration::from_secs(60 * 60),
            request_timeout: Duration::from_secs(20),
            timeout: Duration::from_secs(30 * 60),
        }
    }
}

impl Poll {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut poll = Self::default();
        fields.set(&mut poll.interval, "interval", Value::positive_duration);
        fields.set(&mut poll.window, "window", Value::positive_duration);
        fields.set(&mut poll.sweep_interval, "sweep_interval", Value::duration);
        fields.set(
            &mut poll.discovery_interval,
            "discovery_interval",
            Value::positive_duration,
        );
        fields.set(
            &mut poll.request_timeout,
            "request_timeout",
            Value::positive_duration,
        );
        fields.set(&mut poll.timeout, "timeout", Value::positive_duration);
        if poll.timeout < poll.request_timeout {
            let shorter = if fields.value("timeout").is_some() {
                "timeout"
            } else {
                "request_timeout"
            };
            fields.report_value(
                shorter,
                "poll.timeout must not be shorter than poll.request_timeout: a poll is at least one request",
            );
        }
        poll
    }
}

// === impl RateLimit ===

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_second: 2.0,
            burst: 10,
        }
    }
}

impl RateLimit {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut limit = Self::default();
        fields.set(&mut limit.requests_per_second, "requests_per_second", |value| {
            let text = value.text()?;
            let rate = text.parse::<f64>().ok();
            rate.filter(|rate| *rate > 0.0 && *rate <= MAXIMUM_REQUESTS_PER_SECOND)
                .ok_or_else(|| {
                    format!(
                        "expected a number above 0 and at most {MAXIMUM_REQUESTS_PER_SECOND}, found {}",
                        shown(&text)
                    )
                })
        });
        fields.set(&mut limit.burst, "burst", |value| value.integer(1..=10_000));
        limit
    }
}
