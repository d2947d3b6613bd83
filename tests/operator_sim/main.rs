//! The sandbox operator over real HTTP: its calls, its controls, its faults, its kept state.

mod calls;
mod cards;
mod controls;
mod faults;
mod kept_state;
mod support;
