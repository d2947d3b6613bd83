//! Token verification over real HTTP: against the sandbox identity provider, and against a
//! provider of the tests' own where the sandbox is too well-behaved.

#[cfg(test)]
mod bad_tokens;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod good_tokens;
#[cfg(test)]
mod lying_keys;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod over_http;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod support;
