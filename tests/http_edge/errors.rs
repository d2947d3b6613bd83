//! Each kind of error on the wire, and what must not get there.

use crate::app::kinds;
use crate::server::{Answer, TestServer};

#[tokio::test]
async fn every_kind_has_its_code_its_status_and_its_headers_and_hides_its_context() {
    let server = TestServer::start();
    let expected = [
        (401, "UNAUTHORIZED"),
        (401, "UNAUTHORIZED"),
        (401, "UNAUTHORIZED"),
        (402, "INSUFFICIENT_BALANCE"),
        (403, "ORG_SUSPENDED"),
        (404, "NOT_FOUND"),
        (404, "PLAN_NOT_FOUND"),
        (422, "VALIDATION_ERROR"),
        (422, "INVALID_STATUS_CHANGE"),
        (422, "INVALID_STATE"),
        (422, "INVALID_PLAN"),
        (422, "IDEMPOTENCY_MISMATCH"),
        (409, "OPERATION_IN_PROGRESS"),
        (500, "CONFIG_ERROR"),
        (500, "INTERNAL_ERROR"),
        (502, "PROVISIONING_ERROR"),
        (502, "PROVISIONING_FAILED"),
        (502, "PROVIDER_ERROR"),
        (503, "PROVIDER_UNAVAILABLE"),
        (503, "SERVICE_UNAVAILABLE"),
        (405, "METHOD_NOT_ALLOWED"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (413, "PAYLOAD_TOO_LARGE"),
        (411, "LENGTH_REQUIRED"),
        (408, "REQUEST_TIMEOUT"),
        (431, "HEADERS_TOO_LARGE"),
        (429, "RATE_LIMITED"),
    ];
    assert_eq!(kinds().len(), expected.len());
    for (place, (status, code)) in expected.into_iter().enumerate() {
        // reqwest repeats a request that is answered 408 on a kept connection.
        let request = server.get(&format!("/errors/{place}")).header("connection", "close");
        let answer = Answer::to(request).await;
        let details = answer.error(status, code);
        assert_eq!(details["operation_id"], "op-2");
        assert_eq!(answer.header("operation-id"), Some("op-2"));
        assert_eq!(answer.header("ratelimit"), Some("r=0"));
        assert!(!answer.text.contains("SECRET"), "{}", answer.text);
        let retry_after = match code {
            "OPERATION_IN_PROGRESS" => Some("2"),
            "PROVIDER_UNAVAILABLE" => Some("3"),
            "SERVICE_UNAVAILABLE" => Some("4"),
            "RATE_LIMITED" => Some("5"),
            _ => None,
        };
        assert_eq!(answer.header("retry-after"), retry_after, "{code}");
        assert_eq!(answer.header("allow").is_some(), status == 405);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
}

#[tokio::test]
async fn a_401_says_what_is_wrong_with_the_credentials_and_no_error_where_none_were_sent() {
    let server = TestServer::start();
    let mut challenges = Vec::new();
    for place in 0..3 {
        let answer = Answer::to(server.get(&format!("/errors/{place}"))).await;
        challenges.push(answer.header("www-authenticate").unwrap().to_owned());
    }
    assert_eq!(
        challenges,
        [
            r#"Bearer realm="bappy""#,
            r#"Bearer realm="bappy", error="invalid_token", error_description="The token has expired.""#,
            r#"Bearer realm="bappy", error="invalid_request", error_description="Two credentials were sent.""#,
        ]
    );
}

#[tokio::test]
async fn a_panic_is_an_enveloped_500_that_tells_nothing() {
    let server = TestServer::start();
    let answer = Answer::to(server.get("/panic").header("x-request-id", "panic-1")).await;
    answer.error(500, "INTERNAL_ERROR");
    assert_eq!(answer.header("x-request-id"), Some("panic-1"));
    assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    assert_eq!(Answer::to(server.get("/numbers/7")).await.status, 200);
}

#[tokio::test]
async fn the_frameworks_own_errors_are_enveloped_without_their_words() {
    let server = TestServer::start();
    Answer::to(server.get("/numbers/seven")).await.error(404, "NOT_FOUND");
    let answer = Answer::to(server.get("/foreign")).await;
    answer.error(422, "VALIDATION_ERROR");
    assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    let answer = Answer::to(server.get("/bare")).await;
    answer.error(500, "INTERNAL_ERROR");
    assert_eq!(answer.header("x-inner"), Some("kept"));
}

#[tokio::test]
async fn an_inner_middlewares_error_is_enveloped() {
    let server = TestServer::start();
    let answer = Answer::to(server.get("/guarded/inside")).await;
    answer.error(401, "UNAUTHORIZED");
    assert!(answer.header("www-authenticate").is_some());
}

#[tokio::test]
async fn an_error_status_with_a_body_of_its_own_is_left_alone() {
    let server = TestServer::start();
    let answer = Answer::to(server.get("/own")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["data"]["status"], "down");
    assert!(answer.header("x-request-id").is_some());
}
