//! The sandbox operator.
