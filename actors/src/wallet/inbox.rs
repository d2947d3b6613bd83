//! What waits for a wallet's actor.
//!
//! A command that comes while a commit is under way wakes nobody: the actor takes in what has come
//! when it has ended. On another thread each wake costs as much as the command.
//!
//! **Invariants.** What waits is looked at: whoever puts something into the inbox of an actor that
//! rests is told to wake it. Nothing waits in the inbox of an actor that has died.

use super::actor::Submit;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The inbox of one actor.
#[derive(Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Submit>,
    /// Whether the actor will look at what waits: it has something under way, or was told to.
    looks: bool,
    closed: bool,
}

/// What is to be done after a command was put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// The actor has to be woken.
    Wake,
    /// The actor looks by itself.
    Seen,
    /// The actor has died; the command is dropped.
    Closed,
}

impl Inbox {
    /// Puts a command in.
    pub(super) fn put(&self, submit: Submit) -> Put {
        let mut state = self.lock();
        if state.closed {
            return Put::Closed;
        }
        state.waiting.push(submit);
        if std::mem::replace(&mut state.looks, true) { Put::Seen } else { Put::Wake }
    }

    /// Moves what waits behind what the actor has; says whether any of it is doubtful. With nothing to
    /// do the actor rests from then on.
    pub(super) fn take(&self, queue: &mut VecDeque<Submit>) -> bool {
        let mut state = self.lock();
        let is_doubtful = state.waiting.iter().any(|submit| submit.doubtful);
        queue.extend(state.waiting.drain(..));
        state.looks = !queue.is_empty();
        is_doubtful
    }

    /// Drops what waits, and what comes.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    /// Whether its actor has died.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, CommandError, METRICS, Receipt};
    use super::*;
    use crate::metrics::Present;
    use std::sync::Arc;
    use tokio::sync::oneshot::{self, error::TryRecvError};
    use tracing::Span;

    type Answer = oneshot::Receiver<Result<Receipt, CommandError>>;

    fn submit(doubtful: bool) -> (Submit, Answer) {
        let (reply, answer) = oneshot::channel();
        let submit = Submit {
            command: Arc::new(Command::Settle(vec![])),
            reply,
            permit: None,
            doubtful,
            span: Span::none(),
            _waiting: Present::in_gauge(&METRICS.queue),
        };
        (submit, answer)
    }

    #[test]
    fn an_actor_is_woken_once_until_it_rests() {
        let (inbox, mut queue) = (Inbox::default(), VecDeque::new());
        assert_eq!(inbox.put(submit(false).0), Put::Wake);
        assert_eq!(inbox.put(submit(false).0), Put::Seen);
        assert!(!inbox.take(&mut queue));
        assert_eq!(inbox.put(submit(true).0), Put::Seen, "it has two to commit");
        queue.clear();
        assert!(inbox.take(&mut queue), "the third is doubtful");
        assert_eq!(queue.len(), 1);
        queue.clear();
        assert!(!inbox.take(&mut queue));
        assert_eq!(inbox.put(submit(false).0), Put::Wake);
    }

    #[test]
    fn nothing_waits_for_an_actor_that_has_died() {
        let inbox = Inbox::default();
        let (before, mut answer) = submit(false);
        assert_eq!(inbox.put(before), Put::Wake);
        assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
        inbox.close();
        assert_eq!(answer.try_recv(), Err(TryRecvError::Closed));
        let (after, mut answer) = submit(false);
        assert_eq!(inbox.put(after), Put::Closed);
        assert_eq!(answer.try_recv(), Err(TryRecvError::Closed));
        assert!(inbox.is_closed());
    }
}
