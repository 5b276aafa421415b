//! Figures, printed by `make figures`. They take minutes, so that `cargo test` leaves them out.

mod accounts;
mod failures;
mod load;
mod past;
mod schedules;
mod stuck;
