//! Reads from the operator for an audit: one session, tries again what failed in passing.

use bappy_actors::ports::{AccessToken, CallError, Endpoint, Operator, Refusal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Times that a read is tried; with the pauses between them an operator that is away for a moment
/// does not end an audit.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// The longest that a throttled read waits.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The operator will not show it.
    Refused(Refusal),
    /// The operator is away, or refuses us altogether.
    Away(String),
}

/// The operator, for reads.
pub(super) struct Upstream {
    operator: Arc<dyn Operator>,
    timeout: Duration,
    token: Mutex<AccessToken>,
}

impl Upstream {
    /// Opens a session.
    pub(super) async fn login(
        operator: Arc<dyn Operator>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let token = operator.login(timeout).await.map_err(|error| words(&error))?;
        Ok(Self { operator, timeout, token: Mutex::new(token) })
    }

    /// An endpoint; none where the operator knows no such id.
    pub(super) async fn endpoint(&self, id: &str) -> Result<Option<Endpoint>, ReadError> {
        self.read(async |token| self.operator.endpoint(token, id, self.timeout).await).await
    }

    /// The endpoints that a card has or had.
    pub(super) async fn endpoints_of_sim(&self, iccid: &str) -> Result<Vec<Endpoint>, ReadError> {
        let read = async |token: &AccessToken| {
            self.operator.endpoints_of_sim(token, iccid, self.timeout).await
        };
        self.read(read).await
    }

    async fn read<T>(
        &self,
        read: impl AsyncFn(&AccessToken) -> Result<T, CallError>,
    ) -> Result<T, ReadError> {
        let mut tried = 0;
        loop {
            let token = self.token();
            let error = match read(&token).await {
                Ok(value) => return Ok(value),
                Err(CallError::Refused(refusal)) => return Err(ReadError::Refused(refusal)),
                Err(error) => error,
            };
            tried += 1;
            if tried >= TRIES {
                return Err(ReadError::Away(words(&error)));
            }
            match error {
                CallError::Unauthorized => self.renew(&token).await?,
                CallError::Throttled(Some(wait)) => tokio::time::sleep(wait.min(PAUSE_MAX)).await,
                _ => tokio::time::sleep(PAUSE * 2_u32.pow(tried)).await,
            }
        }
    }

    fn token(&self) -> AccessToken {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new session, unless another read has opened one since.
    async fn renew(&self, refused: &AccessToken) -> Result<(), ReadError> {
        if self.token().secret != refused.secret {
            return Ok(());
        }
        let token = self.operator.login(self.timeout).await;
        let token = token.map_err(|error| ReadError::Away(words(&error)))?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }
}

fn words(error: &CallError) -> String {
    match error {
        CallError::Unreachable => "no connection can be made".to_owned(),
        CallError::Unauthorized => "it refuses our credentials".to_owned(),
        CallError::Throttled(_) => "it is throttling us".to_owned(),
        CallError::Refused(refusal) => format!("it refuses: {refusal:?}"),
        CallError::Unknown(cause) => format!("it does not answer as it should: {cause:?}"),
    }
}
