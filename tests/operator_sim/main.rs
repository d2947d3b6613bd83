//! The sandbox operator over real HTTP: its calls, its controls, its faults, its kept state.
#![expect(clippy::unwrap_used, reason = "the functions that tests share fail as tests do")]

mod calls;
mod cards;
mod controls;
mod faults;
mod kept_state;
mod support;
