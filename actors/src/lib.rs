//! The core of Bappy.
