//! How many files, and so connections, the process may have open. Called by the commands that
//! listen.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets it. Systems start programs with 1,024, for the sake
/// of some that use `select`; past the limit no connection is accepted any more.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(?current, ?maximum, "the limit of open files is raised"),
        Err(error) => tracing::warn!(%error, ?current, "the limit of open files is not raised"),
    }
}
