//! The sandbox: a mobile operator and an identity provider as real HTTP servers.

pub mod identity;
pub mod operator;
pub mod seed;
