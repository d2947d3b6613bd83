//! Verifies the bearer tokens of an OpenID provider.
