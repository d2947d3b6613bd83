//! What may become of a call to the operator.

/// How a call that changes something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Done, and said so.
    Yes,
    /// A definite no: nothing is done.
    No,
    /// A definite no to the first card that is tried; the next ones are free.
    InUse,
    /// Done, and the connection cut before the answer.
    LostYes,
    /// Not answered, and done when the deadline is over.
    LateYes,
    /// Done, and never answered.
    Hang,
    /// Done, and answered 200 with an error of a code that nobody knows.
    Wrapped,
    /// Done, and answered 200 with what is no JSON.
    Garbage,
    /// Answered 500: nothing is done.
    Error,
    /// Cut, and so is every other call from then on: nothing is done.
    Down,
}

impl Outcome {
    pub const ALL: [Self; 10] = [
        Self::Yes,
        Self::No,
        Self::InUse,
        Self::LostYes,
        Self::LateYes,
        Self::Hang,
        Self::Wrapped,
        Self::Garbage,
        Self::Error,
        Self::Down,
    ];
}
