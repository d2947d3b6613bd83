//! What waits for a wallet's actor.
//!
//! A command that comes while a commit is under way wakes nobody: the actor takes it in when the
//! commit has ended. To wake a thread for each took 7% of the service's CPU a top-up.
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
    /// Whether the actor will take what waits: it has something to do, or is being woken.
    awake: bool,
    closed: bool,
}

impl Inbox {
    /// Puts a command in; says whether the actor has to be woken. An actor that has died is not: the
    /// command is dropped.
    pub(super) fn put(&self, submit: Submit) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.waiting.push(submit);
        !std::mem::replace(&mut state.awake, true)
    }

    /// Moves what waits behind what the actor has to do, all of which is in `queue`; with nothing
    /// there it rests from then on. Says whether any of what came is doubtful.
    pub(super) fn take(&self, queue: &mut VecDeque<Submit>) -> bool {
        let mut state = self.lock();
        let is_doubtful = state.waiting.iter().any(|submit| submit.doubtful);
        queue.extend(state.waiting.drain(..));
        state.awake = !queue.is_empty();
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

    /// Whether its actor lives and has something to do.
    pub(super) fn is_at_work(&self) -> bool {
        let state = self.lock();
        state.awake && !state.closed
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
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;
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
        assert!(inbox.put(submit(false).0));
        assert!(!inbox.put(submit(false).0));
        assert!(!inbox.take(&mut queue));
        assert!(!inbox.put(submit(true).0), "it has two to commit");
        queue.clear();
        assert!(inbox.take(&mut queue), "the third is doubtful");
        assert_eq!(queue.len(), 1);
        queue.clear();
        assert!(!inbox.take(&mut queue));
        assert!(inbox.put(submit(false).0));
    }

    #[test]
    fn nothing_waits_for_an_actor_that_has_died() {
        let inbox = Inbox::default();
        let (before, mut answer) = submit(false);
        assert!(inbox.put(before));
        assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
        inbox.close();
        assert_eq!(answer.try_recv(), Err(TryRecvError::Closed));
        let (after, mut answer) = submit(false);
        assert!(!inbox.put(after));
        assert_eq!(answer.try_recv(), Err(TryRecvError::Closed));
        assert!(inbox.is_closed());
    }

    #[test]
    fn no_wake_is_lost_between_threads() {
        const EACH: usize = 20_000;
        let inbox = Arc::new(Inbox::default());
        let (wake, woken) = mpsc::channel();
        let senders = [(); 2].map(|()| {
            let (inbox, wake) = (Arc::clone(&inbox), wake.clone());
            thread::spawn(move || {
                for _ in 0..EACH {
                    if inbox.put(submit(false).0) {
                        wake.send(()).unwrap();
                    }
                }
            })
        });
        let (mut taken, mut queue) = (0, VecDeque::new());
        while taken < 2 * EACH {
            woken
                .recv_timeout(Duration::from_mins(1))
                .expect("a command waits and nobody is woken");
            loop {
                inbox.take(&mut queue);
                taken += queue.len();
                if queue.is_empty() {
                    break;
                }
                queue.clear();
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(woken.try_recv().is_err(), "woken for nothing");
    }
}
