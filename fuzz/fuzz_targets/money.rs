//! Amounts as text: each is read exactly or not at all, and written as it was read.
#![no_main]

use bappy_actors::model::{Currency, Money};
use libfuzzer_sys::fuzz_target;
use rust_decimal::Decimal;

fuzz_target!(|text: &str| {
    let _ = text.parse::<Currency>();
    let Ok(money) = text.parse::<Money>() else { return };
    let written = money.to_string();
    assert_eq!(written.parse::<Money>().ok(), Some(money), "{text} {written}");
    let cents = written.split_once('.').unwrap().1.len();
    assert!(cents >= 2, "{written}");
    if let Ok(exact) = text.parse::<Decimal>() {
        assert_eq!(written.parse::<Decimal>().unwrap(), exact, "{text} {written}");
    }
    if let Some(sum) = money.checked_add(money) {
        assert_eq!(sum.checked_sub(money), Some(money));
    }
});
