//! What a trace shows of the core: spans of a target of their own, apart from the log.
//!
//! Where no traces are collected nobody listens to this target, and a span costs what looking at one
//! static costs.
//!
//! **Invariant.** Spans hold kinds and counts, and the ids of operations; never what partners sent.

/// The target of spans for traces.
pub const TARGET: &str = "bappy_traces";

/// A span for traces: `traced!("wallet", command = "debit")`, or with `parent: &span` in front.
#[macro_export]
macro_rules! traced {
    (parent: $parent:expr, $name:literal $($fields:tt)*) => {
        ::tracing::trace_span!(
            target: $crate::traces::TARGET, parent: $parent, $name $($fields)*
        )
    };
    ($name:literal $($fields:tt)*) => {
        ::tracing::trace_span!(target: $crate::traces::TARGET, $name $($fields)*)
    };
}
