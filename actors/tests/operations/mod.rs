//! The life of operations: the three saga tests (any step can fail and unwinds, unwinding twice
//! is harmless, repeating a step is harmless), crashes, and the facts about each operation.

mod changes;
mod chaos;
mod crashing;
mod deadlines;
mod fees;
mod good;
mod repeating;
mod resolving;
mod saga;
mod sms;
mod storing;
mod turns;
mod unwinding;
mod waiting;
