//! Values that commands take: amounts, percents, rates, ids. What cannot be one is wrong usage.

use crate::store::catalogue::Rate;
use bappy_actors::model::{Currency, Money, OperationId};
use rust_decimal::Decimal;
use uuid::Uuid;

/// An amount above zero.
pub fn positive(text: &str) -> Result<Money, String> {
    let amount = amount(text)?;
    if amount > Money::ZERO { Ok(amount) } else { Err("the amount must be above zero".to_owned()) }
}

/// An amount with a sign, not zero.
pub fn signed(text: &str) -> Result<Money, String> {
    let amount = amount(text)?;
    if amount == Money::ZERO { Err("the amount must not be zero".to_owned()) } else { Ok(amount) }
}

/// An amount of zero or above.
pub fn price(text: &str) -> Result<Money, String> {
    let amount = amount(text)?;
    if amount.is_negative() { Err("a price is not below zero".to_owned()) } else { Ok(amount) }
}

fn amount(text: &str) -> Result<Money, String> {
    text.parse().map_err(|error: bappy_actors::model::MoneyError| error.to_string())
}

/// A markup in percent, down to -100.
pub fn percent(text: &str) -> Result<Decimal, String> {
    let percent = decimal(text)
        .ok_or_else(|| format!("`{text}` is not a percentage; write a number such as 25"))?;
    if percent < -Decimal::ONE_HUNDRED {
        return Err("a markup below -100 percent gives no price".to_owned());
    }
    Ok(percent)
}

/// A rate: `EUR=0.90`, or `USD/EUR=0.90`.
pub fn rate(text: &str) -> Result<Rate, String> {
    let (currencies, number) = text.split_once('=').ok_or_else(|| {
        format!("`{text}` is not a rate; write EUR=0.90, what a unit of the catalogue's is in EUR")
    })?;
    let rate = decimal(number).filter(|rate| *rate > Decimal::ZERO);
    let rate = rate.ok_or_else(|| format!("`{number}` is not a rate; write one such as 0.90"))?;
    let (wholesale, wallet) = match currencies.split_once('/') {
        Some((wholesale, wallet)) => (Some(wholesale.parse::<Currency>()?), wallet),
        None => (None, currencies),
    };
    let wallet = wallet.parse::<Currency>()?;
    if wholesale == Some(wallet) {
        return Err(format!("{wallet} needs no rate to {wallet}"));
    }
    Ok(Rate { wholesale, wallet, rate })
}

/// An operation's id.
pub fn operation(text: &str) -> Result<OperationId, String> {
    let id = Uuid::try_parse(text).map_err(|_| format!("`{text}` is not an operation's id"))?;
    Ok(OperationId(id))
}

fn decimal(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    if plain { Decimal::from_str_exact(text).ok().map(|number| number.normalize()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_names_the_wallets_currency_and_may_name_the_catalogues() {
        let bare = rate("EUR=0.90").unwrap();
        assert_eq!((bare.wholesale, bare.wallet.as_str()), (None, "EUR"));
        assert_eq!(bare.rate.to_string(), "0.9");
        let pair = rate("USD/EUR=0.9").unwrap();
        assert_eq!(pair.wholesale.unwrap().as_str(), "USD");
        for text in ["EUR", "EUR=", "EUR=0", "EUR=-1", "eur=1", "EUR/EUR=1", "=1", "EUR=1e3"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_held_to_their_sign() {
        assert!(positive("0").is_err() && positive("-1").is_err() && positive("0.01").is_ok());
        assert!(signed("0.00").is_err() && signed("-43.75").is_ok() && signed("+1").is_ok());
        assert!(price("0").is_ok() && price("-0.01").is_err());
        assert!(percent("-100").is_ok() && percent("-100.5").is_err() && percent("x").is_err());
    }
}
