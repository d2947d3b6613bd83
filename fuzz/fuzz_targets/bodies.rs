//! Bodies of requests, as each operation reads its own; the same body has the same digest.
#![no_main]

use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::{FromRequest, ResponseError, dev::Payload};
use bappy::http::field_errors::Validate;
use bappy::http::idempotency_key::RequestDigest;
use bappy::http::json::StrictJson;
use bappy::http::links::{ChangePlans, LinkChanges, NewLink};
use bappy::http::sms::NewSms;
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

fn read<T: DeserializeOwned + Validate + 'static>(body: &[u8]) {
    let request = TestRequest::post()
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_vec());
    let (request, mut payload): (_, Payload) = request.to_http_parts();
    let read = StrictJson::<T>::from_request(&request, &mut payload);
    match RUNTIME.with_borrow_mut(|runtime| runtime.block_on(read)) {
        Ok(read) => {
            let digest = RequestDigest::new(&Method::POST, "/", &read.json);
            let again = serde_json::from_str(&read.json.to_string()).unwrap();
            let again = RequestDigest::new(&Method::POST, "/", &again);
            assert_eq!(digest.as_bytes(), again.as_bytes());
        }
        Err(error) => assert!(error.status_code().is_client_error(), "{error:?}"),
    }
}

fuzz_target!(|body: &[u8]| {
    read::<NewLink>(body);
    read::<LinkChanges>(body);
    read::<ChangePlans>(body);
    read::<NewSms>(body);
});
