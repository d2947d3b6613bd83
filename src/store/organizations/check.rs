//! What an organization may be called and may cost. Called before anything is written.

use super::{NewOrganization, OrganizationError};
use bappy_actors::model::Money;
use uuid::Uuid;

/// Long enough for a name in commands, short enough for a label in metrics.
const SLUG_CHARS_MAX: usize = 63;
const NAME_CHARS_MAX: usize = 200;
/// As identity providers limit client ids.
const CLIENT_CHARS_MAX: usize = 255;

/// Whether an organization can be as it is asked for.
pub(super) fn check_new(new: &NewOrganization) -> Result<(), OrganizationError> {
    let slug = new.slug.as_str();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let hyphens = slug.starts_with('-') || slug.ends_with('-');
    // A claim holds an id or a slug: one must not look like the other.
    let is_id = Uuid::parse_str(slug).is_ok();
    if slug.is_empty()
        || slug.len() > SLUG_CHARS_MAX
        || !slug.bytes().all(plain)
        || hyphens
        || is_id
    {
        return Err(OrganizationError::Invalid(format!(
            "`{slug}` is not a slug: write lower-case letters, digits and hyphens between them, \
             at most {SLUG_CHARS_MAX}"
        )));
    }
    check_values(Some(&new.name), Some(new.price_per_sms), Some(new.price_per_link))?;
    for (index, client_id) in new.clients.iter().enumerate() {
        check_client(client_id)?;
        if new.clients[..index].contains(client_id) {
            let sentence = format!("the client id `{client_id}` is given twice");
            return Err(OrganizationError::Invalid(sentence));
        }
    }
    Ok(())
}

/// Whether a name and prices can be, where given.
pub(super) fn check_values(
    name: Option<&str>,
    price_per_sms: Option<Money>,
    price_per_link: Option<Money>,
) -> Result<(), OrganizationError> {
    if name.is_some_and(|n| n.trim().is_empty() || n.chars().count() > NAME_CHARS_MAX) {
        let sentence = format!("a name has 1 to {NAME_CHARS_MAX} characters");
        return Err(OrganizationError::Invalid(sentence));
    }
    if [price_per_sms, price_per_link].into_iter().flatten().any(Money::is_negative) {
        return Err(OrganizationError::Invalid("a price is not below zero".to_owned()));
    }
    Ok(())
}

/// Whether a client id can be one.
pub(super) fn check_client(client_id: &str) -> Result<(), OrganizationError> {
    let visible = client_id.bytes().all(|b| b.is_ascii_graphic());
    if client_id.is_empty() || client_id.len() > CLIENT_CHARS_MAX || !visible {
        return Err(OrganizationError::Invalid(format!(
            "`{client_id}` is not a client id: write 1 to {CLIENT_CHARS_MAX} visible characters"
        )));
    }
    Ok(())
}
