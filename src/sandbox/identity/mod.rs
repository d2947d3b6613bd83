//! The sandbox identity provider.
