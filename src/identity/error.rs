//! Why a token was not accepted: one text for the log, one for the caller.
//!
//! **Invariant:** no variant carries text from the token, so neither text can leak a part of it.

/// The outcome of a verification that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is refused: 401 with `WWW-Authenticate: Bearer error=…, error_description=…`.
    #[error("token refused: {0}")]
    Invalid(#[from] Refusal),
    /// No keys are to be had, so nothing can be said about the token: 503.
    #[error("the identity provider's keys are not to be had")]
    ProviderUnavailable,
}

/// What is wrong with a token. `Display` is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Over [`TOKEN_BYTES_MAX`](super::TOKEN_BYTES_MAX).
    #[error("longer than 8 KiB")]
    TooLong,
    /// Not three base64url parts, or header or payload are not JSON objects.
    #[error("not a compact JWS with JSON header and payload")]
    Malformed,
    /// `none`, an HMAC, or anything but RS256, PS256, ES256 and `EdDSA`.
    #[error("header.alg is not accepted")]
    Algorithm,
    /// A header that would let the token choose its own key, or one that must be understood.
    #[error("header.{0} is not accepted")]
    ForbiddenHeader(&'static str),
    /// The header's `typ` is something else than `JWT` or `at+jwt`.
    #[error("header.typ is neither JWT nor at+jwt")]
    HeaderType,
    /// No key of the provider fits `kid` and `alg`.
    #[error("no key of the provider fits kid and alg")]
    UnknownKey,
    /// The signature does not fit the key.
    #[error("wrong signature")]
    Signature,
    /// `iss` is absent or another.
    #[error("wrong iss")]
    Issuer,
    /// `aud` does not name the configured audience.
    #[error("wrong aud")]
    Audience,
    /// The payload's `typ` is something else than `Bearer`: an ID or refresh token.
    #[error("payload.typ is not Bearer")]
    TokenType,
    /// A time claim is absent where required, not a number, or out of any sensible range.
    #[error("{0} is missing or not a time")]
    TimeClaim(&'static str),
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf` lies in the future.
    #[error("not valid yet")]
    NotYetValid,
}

impl Refusal {
    /// The `error` of RFC 6750, section 3.1.
    pub fn error(self) -> &'static str {
        "invalid_token"
    }

    /// The `error_description` of RFC 6750: plain ASCII without quotes or backslashes, and
    /// nothing that helps in forging a token.
    pub fn description(self) -> &'static str {
        match self {
            Self::TooLong => "The access token is too long",
            Self::Malformed | Self::TimeClaim(_) => "The access token is malformed",
            Self::Algorithm => "The access token's signature algorithm is not accepted",
            Self::ForbiddenHeader(_) | Self::HeaderType | Self::TokenType => {
                "The access token is not of an accepted kind"
            }
            Self::UnknownKey | Self::Signature => "The access token's signature is not valid",
            Self::Issuer => "The access token was issued by someone else",
            Self::Audience => "The access token is meant for another audience",
            Self::Expired => "The access token expired",
            Self::NotYetValid => "The access token is not valid yet",
        }
    }
}
