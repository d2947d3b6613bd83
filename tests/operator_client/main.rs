//! The operator client against a scripted server: what each kind of answer, cut and silence means.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sandbox;
mod server;

use bappy::operator::OperatorClient;
use bappy_actors::model::{Money, ProfileState, SimKind, Volume};
use bappy_actors::ports::{
    AccessToken, CallError, ConnectivityState, EndpointStatus, InstanceState, NewEndpoint,
    Operator, Refusal, Removal, UnknownCause,
};
use secrecy::SecretString;
use serde_json::json;
use server::{Reply, Server, http, with_headers};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);
const ICCID: &str = "8949000000000000001";

fn client(url: &str) -> OperatorClient {
    OperatorClient::new(url, "user".into(), SecretString::from("secret")).unwrap()
}

fn token() -> AccessToken {
    AccessToken { secret: "t0k3n".into(), expires_in: SOON }
}

async fn add_plan(reply: Reply) -> Result<String, CallError> {
    let server = Server::start(vec![reply]).await;
    let timeout = Duration::from_millis(200);
    let added = client(&server.url).add_plan(&token(), "ep-1", "p-1", "ref-1", timeout).await;
    assert_eq!(server.seen().len(), 1, "sent once");
    added.map(|instance| instance.instance_id)
}

fn refused_as(error: &CallError) -> Option<&Refusal> {
    match error {
        CallError::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

const CODES: [(&str, Refusal); 5] = [
    ("SIM_IN_USE", Refusal::SimInUse),
    ("NO_PLAN", Refusal::NoPlan),
    ("NO_ENDPOINT", Refusal::NoEndpoint),
    ("NO_INSTANCE", Refusal::NoInstance),
    ("NOT_ALLOWED", Refusal::NotAllowed),
];

#[tokio::test]
async fn a_4xx_is_a_definite_no_by_its_code() {
    for (code, refusal) in CODES {
        let body = format!(r#"{{"code": "{code}", "message": "no"}}"#);
        let error = add_plan(http(409, &body)).await.unwrap_err();
        assert_eq!(refused_as(&error), Some(&refusal), "{code}");
    }
    for status in [400, 402, 403, 405, 409, 410, 418, 422, 451] {
        let error = add_plan(http(status, "<html>nothing of ours</html>")).await.unwrap_err();
        let Some(Refusal::Other(text)) = refused_as(&error) else { panic!("{status}: {error:?}") };
        assert!(text.contains(&status.to_string()), "{text}");
    }
    for status in [404, 422] {
        let body = r#"{"code": "BAD_NAME", "message": "too long"}"#;
        let error = add_plan(http(status, body)).await;
        let Err(CallError::Refused(Refusal::Other(text))) = error else { panic!("{error:?}") };
        assert!(text.contains("BAD_NAME") && text.contains("too long"), "{text}");
    }
}

/// 404s that something before the operator may have written.
fn strange_404s() -> Vec<Reply> {
    let html = "Content-Type: text/HTML; charset=utf-8\r\n";
    vec![
        with_headers(404, html, "<html>404 Not Found</html>"),
        with_headers(404, html, ""),
        http(404, "404 page not found"),
        http(404, r#"{"code": ""}"#),
        http(404, r#"{"message": "no Route matched with those values"}"#),
        http(404, r#"{"error": "not found"}"#),
        http(404, "[]"),
        Reply::Cut(b"HTTP/1.1 404 X\r\nContent-Length: 100\r\n\r\n{\"code\":".to_vec()),
    ]
}

#[tokio::test]
async fn a_404_of_something_before_the_operator_says_nothing() {
    let bare = || std::iter::once(http(404, ""));
    let unknown = |error: &CallError| {
        let cause = UnknownCause::Cut;
        let unknown = matches!(error, CallError::Unknown(UnknownCause::Unreadable(_)));
        assert!(unknown || *error == CallError::Unknown(cause), "{error:?}");
    };
    for reply in strange_404s().into_iter().chain(bare()) {
        unknown(&add_plan(reply).await.unwrap_err());
    }
    for reply in strange_404s().into_iter().chain(bare()) {
        let server = Server::start(vec![reply]).await;
        unknown(&client(&server.url).endpoint(&token(), "ep-1", SOON).await.unwrap_err());
    }
    for reply in strange_404s() {
        let server = Server::start(vec![reply]).await;
        let removed = client(&server.url).remove_plan(&token(), "ep-1", "i-1", SOON).await;
        unknown(&removed.unwrap_err());
    }
}

#[tokio::test]
async fn a_wrapped_error_is_a_no_with_a_known_code_and_unknown_otherwise() {
    for (code, refusal) in CODES {
        let body = format!(r#"{{"error": {{"code": "{code}", "message": "no"}}}}"#);
        let error = add_plan(http(200, &body)).await.unwrap_err();
        assert_eq!(refused_as(&error), Some(&refusal), "{code}");
    }
    for body in [
        r#"{"error": {"code": "E_17", "message": "hm"}}"#,
        r#"{"error": "hm"}"#,
        r#"{"error": {}, "instance_id": "i-1"}"#,
    ] {
        let error = add_plan(http(200, body)).await.unwrap_err();
        let unknown = matches!(error, CallError::Unknown(UnknownCause::ErrorAnswer(_)));
        assert!(unknown, "{body}: {error:?}");
    }
    assert_eq!(add_plan(http(200, r#"{"error": null, "instance_id": "i"}"#)).await.unwrap(), "i");
}

#[tokio::test]
async fn a_5xx_a_408_and_a_redirect_leave_the_outcome_unknown() {
    for status in [408, 500, 502, 503, 504, 599, 301, 302, 307, 308] {
        let location = "Location: http://127.0.0.1:1/elsewhere\r\n";
        let error = add_plan(with_headers(status, location, "oops")).await.unwrap_err();
        let CallError::Unknown(UnknownCause::ErrorAnswer(text)) = &error else {
            panic!("{status}: {error:?}")
        };
        assert!(text.contains(&status.to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_401_and_a_429_did_nothing() {
    assert_eq!(add_plan(http(401, "")).await, Err(CallError::Unauthorized));
    let date = "Date: Mon, 23 Nov 2026 05:23:00 GMT\r\n";
    for (headers, wait_s) in [
        (String::new(), None),
        ("Retry-After: 7\r\n".to_owned(), Some(7)),
        ("Retry-After: soon\r\n".to_owned(), None),
        ("Retry-After: 99999999\r\n".to_owned(), Some(3600)),
        (format!("{date}Retry-After: Mon, 23 Nov 2026 05:23:09 GMT\r\n"), Some(9)),
        (format!("{date}Retry-After: Mon, 23 Nov 2026 05:22:00 GMT\r\n"), Some(0)),
        ("Retry-After: Mon, 23 Nov 2026 05:23:09 GMT\r\n".to_owned(), None),
    ] {
        let error = add_plan(with_headers(429, &headers, "{}")).await.unwrap_err();
        assert_eq!(error, CallError::Throttled(wait_s.map(Duration::from_secs)), "{headers}");
    }
}

#[tokio::test]
async fn silence_is_a_time_out_whether_before_or_within_the_answer() {
    let started = b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for begun in [Vec::new(), b"HTTP/1.1 201 ".to_vec(), started] {
        let error = add_plan(Reply::Hang(begun)).await.unwrap_err();
        assert_eq!(error, CallError::Unknown(UnknownCause::TimedOut));
    }
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_unknown() {
    let started = b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let chunked = b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"".to_vec();
    let zipped = b"HTTP/1.1 201 X\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n\x1f\x8b";
    for begun in [Vec::new(), b"HTTP/1.1 201".to_vec(), started, chunked, zipped.to_vec()] {
        let text = String::from_utf8_lossy(&begun).into_owned();
        let error = add_plan(Reply::Cut(begun)).await.unwrap_err();
        assert_eq!(error, CallError::Unknown(UnknownCause::Cut), "{text}");
    }
}

#[tokio::test]
async fn a_status_that_says_no_holds_though_its_body_is_cut() {
    let begun = b"HTTP/1.1 409 X\r\nContent-Length: 100\r\n\r\n{\"code\":".to_vec();
    let error = add_plan(Reply::Cut(begun)).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(Refusal::Other(_))), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_the_result_is_unreadable() {
    let zipped = "Content-Encoding: gzip\r\n";
    for reply in [
        http(201, ""),
        http(201, "certainly"),
        http(201, "[]"),
        http(201, "{}"),
        http(201, r#"{"instance_id": 7}"#),
        http(201, r#"{"instance_id": ""}"#),
        http(201, r#"{"instance_id": "i-1""#),
        http(201, r#"{"instance_id": "i-1", "reference": "another"}"#),
        with_headers(201, zipped, "not gzip at all, not at all"),
        Reply::Bytes(b"HTTP/1.1 204 X\r\n\r\n".to_vec()),
    ] {
        let error = add_plan(reply).await.unwrap_err();
        let unreadable = matches!(error, CallError::Unknown(UnknownCause::Unreadable(_)));
        assert!(unreadable, "{error:?}");
    }
    let error = add_plan(Reply::Cut(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let mut bytes = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..5 {
        bytes.extend_from_slice(b"100000\r\n");
        bytes.resize(bytes.len() + 0x10_0000, b' ');
        bytes.extend_from_slice(b"\r\n");
    }
    let server = Server::start(vec![Reply::Hang(bytes)]).await;
    let read = client(&server.url).connectivity(&token(), "ep-1", SOON).await;
    let unreadable = matches!(read, Err(CallError::Unknown(UnknownCause::Unreadable(_))));
    assert!(unreadable, "{read:?}");
}

#[tokio::test]
async fn an_endpoint_with_a_hundred_thousand_plans_can_be_read() {
    let plan = r#"{"instance_id": "00000000-0000-7000-8000-000000000000", "plan_id": "p",
        "reference": "00000000-0000-7000-8000-000000000000", "state": "active"}"#;
    let plans = vec![plan; 100_000].join(",");
    let body = format!(
        r#"{{"endpoint_id": "ep", "iccid": "{ICCID}", "status": "active", "plans": [{plans}]}}"#
    );
    let server = Server::start(vec![http(200, &body)]).await;
    let read = client(&server.url).endpoint(&token(), "ep", Duration::from_secs(30)).await;
    assert_eq!(read.unwrap().unwrap().plans.len(), 100_000);
}

#[tokio::test]
async fn where_no_connection_can_be_made_nothing_was_sent() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for url in [url.as_str(), "http://no-such-host.invalid"] {
        let error = client(url).add_plan(&token(), "ep-1", "p-1", "ref-1", SOON).await;
        assert_eq!(error.unwrap_err(), CallError::Unreachable, "{url}");
    }
}

#[tokio::test]
async fn a_mutation_is_never_sent_twice_on_a_reused_connection() {
    let ok = r#"{"instance_id": "i-1"}"#;
    let server = Server::start(vec![http(201, ok), Reply::Cut(Vec::new()), http(201, ok)]).await;
    let operator = client(&server.url);
    let add = || async { operator.add_plan(&token(), "ep-1", "p-1", "ref-1", SOON).await };
    add().await.unwrap();
    assert_eq!(add().await.unwrap_err(), CallError::Unknown(UnknownCause::Cut));
    assert_eq!((server.seen().len(), server.connections()), (2, 1));
    add().await.unwrap();
    assert_eq!((server.seen().len(), server.connections()), (3, 2));
}

#[tokio::test]
async fn login_gives_a_token_and_says_when_the_credentials_are_not_accepted() {
    let login = |reply| async {
        let server = Server::start(vec![reply]).await;
        let token = client(&server.url).login(SOON).await;
        (token, server.seen().remove(0))
    };
    let (session, seen) = login(http(200, r#"{"access_token": "abc", "expires_in": 90}"#)).await;
    let session = session.unwrap();
    assert_eq!((&*session.secret, session.expires_in), ("abc", Duration::from_secs(90)));
    assert_eq!(seen.line, "POST /api/login HTTP/1.1");
    assert_eq!(seen.body, r#"{"username":"user","password":"secret"}"#);
    assert!(seen.headers.iter().all(|h| !h.to_lowercase().starts_with("authorization")));

    for body in [r#"{"access_token": "abc"}"#, r#"{"access_token": "abc", "expires_in": "?"}"#] {
        assert_eq!(login(http(200, body)).await.0.unwrap().expires_in.as_secs(), 300);
    }
    for status in [400, 401, 403, 404, 422] {
        let body = if status == 404 { r#"{"code": "NO_USER"}"# } else { "{}" };
        let error = login(http(status, body)).await.0.err().unwrap();
        let refused = matches!(error, CallError::Refused(_) | CallError::Unauthorized);
        assert!(refused, "{status}: {error:?}");
    }
    for reply in [
        http(200, "{}"),
        http(200, r#"{"access_token": ""}"#),
        http(200, r#"{"access_token": "a\r\nb"}"#),
        http(200, r#"{"error": {"code": "X"}}"#),
        http(500, "{}"),
        http(404, "{}"),
        http(302, ""),
    ] {
        let error = login(reply).await.0.err().unwrap();
        assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_catalogue_is_read_with_its_prices_exactly() {
    let item = |price: &str| {
        format!(
            r#"{{"plan_id": "P1", "name": "Eurolink", "data_mb": 1024.5, "validity_days": 30,
            "wholesale_price": {price}, "currency": "USD", "extra": [1],
            "sponsor": {{"id": "s1", "name": "One", "color": "red"}},
            "coverage_type": "regional", "region": "EU", "coverage": [{{"country": "FR",
            "networks": [{{"name": "N", "mcc": "208", "mnc": "01", "technologies": ["4G"]}}]}}]}}"#
        )
    };
    let read = |price: &str| {
        let body = format!(r#"{{"items": [{}], "total": 201}}"#, item(price));
        async move {
            let server = Server::start(vec![http(200, &body)]).await;
            let page = client(&server.url).catalogue(&token(), 2, 50, SOON).await;
            assert_eq!(server.seen()[0].line, "GET /api/catalogue?page=2&per_page=50 HTTP/1.1");
            page
        }
    };
    for (price, exact) in [
        (r#""4.50""#, "4.50"),
        (r#""0.000001""#, "0.000001"),
        ("4.5", "4.50"),
        ("4", "4.00"),
        ("0.1", "0.10"),
        ("19.99", "19.99"),
        ("1e-3", "0.001"),
        ("0.30000000000000004", "0.30"),
        ("1234567.89", "1234567.89"),
    ] {
        let page = read(price).await.unwrap();
        assert_eq!(page.total, 201);
        assert_eq!(page.items[0].wholesale_price, exact.parse::<Money>().unwrap(), "{price}");
        assert_eq!(page.items[0].data, Volume::from_kb(1_024_500));
        assert_eq!(page.items[0].coverage.operators().len(), 1);
    }
    for price in [r#""4,50""#, r#""""#, "null", "true", "1e300", "-1", r#""-1""#, r#""0.0000001""#]
    {
        let error = read(price).await.unwrap_err();
        let CallError::Unknown(UnknownCause::Unreadable(text)) = error else { panic!("{price}") };
        assert!(text.contains("items[0].wholesale_price"), "{text}");
    }
}

#[tokio::test]
async fn a_region_is_one_of_six_and_of_a_plan_that_is_not_global() {
    for (coverage_type, told, shown) in [
        ("regional", json!("AF"), Some("AF")),
        ("country", json!("EU"), Some("EU")),
        ("regional", json!("Europe"), None),
        ("regional", json!(""), None),
        ("regional", json!({"code": "EU"}), None),
        ("global", json!("EU"), None),
    ] {
        let body = format!(
            r#"{{"items": [{{"plan_id": "P1", "name": "Eurolink", "data_mb": 1024,
                "validity_days": 30, "wholesale_price": "4.50", "currency": "USD",
                "sponsor": {{"id": "s1", "name": 7, "color": []}},
                "coverage_type": "{coverage_type}", "region": {told}}}], "total": 1}}"#
        );
        let server = Server::start(vec![http(200, &body)]).await;
        let page = client(&server.url).catalogue(&token(), 1, 50, SOON).await.unwrap();
        assert_eq!(page.items[0].region.as_deref(), shown, "{coverage_type} {told}");
        let sponsor = &page.items[0].sponsor;
        assert_eq!((sponsor.name.as_str(), sponsor.color.as_str()), ("s1", ""));
    }
}

#[tokio::test]
async fn free_cards_are_asked_for_past_those_known() {
    let body = format!(
        r#"{{"items": [{{"iccid": "{ICCID}", "kind": "esim", "sponsor": "s 1",
        "smdp_address": "smdp.example", "matching_id": "M1"}}, {{"iccid": "{ICCID}2"}}]}}"#
    );
    let server = Server::start(vec![http(200, &body), http(200, r#"{"items": []}"#)]).await;
    let operator = client(&server.url);
    let sims = operator.list_sims(&token(), "s 1", SimKind::Esim, 5, None, SOON).await.unwrap();
    assert_eq!(sims.len(), 2);
    assert_eq!(sims[0].matching_id.as_deref(), Some("M1"));
    assert_eq!((sims[1].sponsor_id.as_str(), sims[1].kind), ("s 1", SimKind::Esim));
    let after = Some(ICCID);
    let none = operator.list_sims(&token(), "s&1", SimKind::Physical, 5, after, SOON).await;
    assert!(none.unwrap().is_empty());
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /api/sims?state=available&sponsor=s+1&kind=esim&limit=5 HTTP/1.1".to_owned(),
            format!(
                "GET /api/sims?state=available&sponsor=s%261&kind=physical&limit=5&after={ICCID} \
                 HTTP/1.1"
            ),
        ]
    );
}

/// What this thread logs from now on.
fn logged() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let words = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&words);
    let log = tracing_subscriber::fmt().with_writer(move || Sink(Arc::clone(&sink))).finish();
    (words, tracing::subscriber::set_default(log))
}

#[tokio::test]
async fn a_card_that_cannot_be_read_does_not_hide_the_others() {
    let odd = r#"{"iccid": "89490000000000000012345"}, {"iccid": 8949000000000000001}, {}, 7"#;
    let some = format!(r#"{{"items": [{odd}, {{"iccid": "{ICCID}"}}, {odd}]}}"#);
    let none = format!(r#"{{"items": [{odd}]}}"#);
    let server = Server::start(vec![http(200, &some), http(200, &none)]).await;
    let operator = client(&server.url);
    let token = token();
    let list = || operator.list_sims(&token, "s1", SimKind::Esim, 5, None, SOON);
    let (words, _logging) = logged();
    let sims = list().await.unwrap();
    assert_eq!(sims.iter().map(|sim| sim.iccid.as_str()).collect::<Vec<_>>(), [ICCID]);
    // As the end of the list it would stop whoever walks it.
    let error = list().await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(UnknownCause::Unreadable(_))), "{error:?}");
    let words = String::from_utf8(words.lock().unwrap().clone()).unwrap();
    assert!(words.contains("894900…") && words.contains("no ICCID in text"), "{words}");
    assert!(!words.contains("894900000"), "{words}");
}

#[tokio::test]
async fn an_answer_about_something_else_is_no_answer() {
    let endpoint = endpoint_json("active", "active");
    let list = format!(r#"{{"items": [{endpoint}]}}"#);
    let sms = r#"{"sms_id": "sms-1", "reference": "ref-1", "state": "delivered"}"#;
    let replies = [&endpoint, &list, &endpoint, sms].map(|body| http(200, body));
    let server = Server::start(replies.into()).await;
    let (operator, token) = (client(&server.url), token());
    for error in [
        operator.endpoint(&token, "ep-2", SOON).await.map(|_| ()),
        operator.endpoints_of_sim(&token, "8949000000000000002", SOON).await.map(|_| ()),
        operator.endpoints_of_sim(&token, "8949000000000000002", SOON).await.map(|_| ()),
        operator.sms(&token, "sms-2", SOON).await.map(|_| ()),
    ] {
        let unreadable = matches!(error, Err(CallError::Unknown(UnknownCause::Unreadable(_))));
        assert!(unreadable, "{error:?}");
    }
}

#[tokio::test]
async fn a_text_for_partners_has_the_shape_of_its_field_or_is_absent() {
    let words = "Example Telecom";
    let endpoint = endpoint_json("active", "active").replace("+33612345678", words);
    let connectivity = format!(
        r#"{{"state": "online", "network": {{"mcc": "208", "mnc": "01", "technology": "{words}"}},
        "ip_address": "{words}", "imei": "{words}"}}"#
    );
    let nowhere = format!(
        r#"{{"state": "online", "network": {{"mcc": "{words}", "mnc": "01"}},
        "ip_address": "::1", "imei": "35988123456789"}}"#
    );
    let cards = format!(
        r#"{{"items": [{{"iccid": "{ICCID}", "smdp_address": "{words}"}}, {{"iccid": "{ICCID}",
        "matching_id": "A$B"}}, {{"iccid": "{ICCID}", "smdp_address": "s.p", "matching_id": ""}}]}}"#
    );
    let replies = [endpoint, connectivity, nowhere, cards].map(|body| http(200, &body));
    let server = Server::start(replies.into()).await;
    let (operator, token) = (client(&server.url), token());
    let endpoint = operator.endpoint(&token, "ep-1", SOON).await.unwrap().unwrap();
    assert_eq!(endpoint.msisdn, None);
    let read = operator.connectivity(&token, "ep-1", SOON).await.unwrap();
    assert_eq!((read.ip_address, read.imei, read.network.unwrap().technology), (None, None, None));
    let read = operator.connectivity(&token, "ep-1", SOON).await.unwrap();
    assert_eq!((read.network, read.ip_address.as_deref()), (None, Some("::1")));
    assert!(read.imei.is_some());
    let sims = operator.list_sims(&token, "s1", SimKind::Esim, 5, None, SOON).await.unwrap();
    assert_eq!(sims.len(), 1);
    assert_eq!(sims[0].smdp_address.as_deref(), Some("s.p"));
}

#[tokio::test]
async fn a_profile_state_that_is_new_is_unknown() {
    for (body, state) in [
        (r#"{"profile_state": "installed"}"#, ProfileState::Installed),
        (r#"{"profile_state": "teleported"}"#, ProfileState::Unknown),
        ("{}", ProfileState::Unknown),
    ] {
        let server = Server::start(vec![http(200, body)]).await;
        let read = client(&server.url).profile_state(&token(), ICCID, SOON).await;
        assert_eq!(read.unwrap(), state, "{body}");
        assert_eq!(server.seen()[0].line, format!("GET /api/sims/{ICCID} HTTP/1.1"));
    }
}

fn endpoint_json(status: &str, state: &str) -> String {
    format!(
        r#"{{"endpoint_id": "ep-1", "iccid": "{ICCID}", "msisdn": "+33612345678",
        "status": "{status}", "sponsor": "s1", "reference": "ref-1", "plans": [
        {{"instance_id": "i-1", "plan_id": "p-1", "reference": "ref-1", "state": "{state}",
        "data_total_mb": 1000, "data_used_mb": 0.5, "first_used_at": null,
        "activated_at": "2026-11-23T06:23:00.123456789+01:00", "expires_at": "whenever"}}]}}"#
    )
}

#[tokio::test]
async fn a_new_endpoint_is_created_with_our_reference() {
    let new = NewEndpoint {
        iccid: ICCID,
        operator_plan_id: "p-1",
        name: "a \"name\"",
        reference: "ref-1",
    };
    let server = Server::start(vec![http(201, &endpoint_json("active", "active"))]).await;
    let made = client(&server.url).create_endpoint(&token(), new.clone(), SOON).await.unwrap();
    assert_eq!((made.endpoint_id.as_str(), made.status), ("ep-1", EndpointStatus::Active));
    assert_eq!(made.msisdn.as_deref(), Some("+33612345678"));
    let plan = &made.plans[0];
    assert_eq!((plan.instance_id.as_str(), plan.state), ("i-1", InstanceState::Active));
    assert_eq!(plan.data_used, Volume::from_kb(500));
    assert_eq!(plan.activated_at.unwrap().to_rfc3339(), "2026-11-23T05:23:00.123456+00:00");
    assert_eq!((plan.first_used_at, plan.expires_at), (None, None));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /api/endpoints HTTP/1.1");
    let authorization = "authorization: Bearer t0k3n";
    assert!(seen.headers.iter().any(|h| h == authorization), "{:?}", seen.headers);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&seen.body).unwrap(),
        serde_json::json!({"iccid": ICCID, "plan_id": "p-1", "name": "a \"name\"",
            "reference": "ref-1"})
    );

    let others = [("another-iccid", "ref-1"), (ICCID, "another-ref")];
    for (iccid, reference) in others {
        let server = Server::start(vec![http(201, &endpoint_json("active", "active"))]).await;
        let asked = NewEndpoint { iccid, reference, ..new.clone() };
        let error = client(&server.url).create_endpoint(&token(), asked, SOON).await.unwrap_err();
        let unreadable = matches!(error, CallError::Unknown(UnknownCause::Unreadable(_)));
        assert!(unreadable, "{error:?}");
    }
}

#[tokio::test]
async fn an_endpoint_reads_back_and_one_that_is_not_there_is_none() {
    let read = |reply| async {
        let server = Server::start(vec![reply]).await;
        client(&server.url).endpoint(&token(), "ep-1", SOON).await
    };
    for (status, state, expected) in [
        ("suspended", "depleted", (EndpointStatus::Suspended, InstanceState::Depleted)),
        ("TERMINATED", "removed", (EndpointStatus::Terminated, InstanceState::Removed)),
        ("active", "expired", (EndpointStatus::Active, InstanceState::Expired)),
        ("active", "throttled", (EndpointStatus::Active, InstanceState::Active)),
    ] {
        let endpoint = read(http(200, &endpoint_json(status, state))).await.unwrap().unwrap();
        assert_eq!((endpoint.status, endpoint.plans[0].state), expected);
    }
    for reply in [
        http(404, r#"{"code": "NO_ENDPOINT"}"#),
        http(404, r#"{"code": "E404", "message": "gone"}"#),
        http(404, r#"{"error": {"code": "NOT_FOUND"}}"#),
        http(200, r#"{"error": {"code": "NO_ENDPOINT"}}"#),
    ] {
        assert_eq!(read(reply).await.unwrap(), None);
    }
    let error = read(http(200, &endpoint_json("limbo", "active"))).await.unwrap_err();
    let CallError::Unknown(UnknownCause::Unreadable(text)) = error else { panic!("{error:?}") };
    assert!(text.contains("limbo"), "{text}");
    let error = read(http(409, "{}")).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn the_endpoints_of_a_card_come_as_a_list_or_as_one() {
    let one = endpoint_json("active", "active").replace(ICCID, "8&9");
    for (body, count) in [
        (r#"{"items": []}"#.to_owned(), 0),
        (r#"{"error": {"code": "NO_ENDPOINT"}}"#.to_owned(), 0),
        (format!(r#"{{"items": [{one}, {one}]}}"#), 2),
        (one, 1),
    ] {
        let server = Server::start(vec![http(200, &body)]).await;
        let found = client(&server.url).endpoints_of_sim(&token(), "8&9", SOON).await.unwrap();
        assert_eq!(found.len(), count, "{body}");
        assert_eq!(server.seen()[0].line, "GET /api/endpoints?iccid=8%269 HTTP/1.1");
    }
    let server = Server::start(vec![http(200, "{}")]).await;
    let error = client(&server.url).endpoints_of_sim(&token(), ICCID, SOON).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(UnknownCause::Unreadable(_))), "{error:?}");
}

#[tokio::test]
async fn a_plan_that_is_gone_already_counts_as_taken_off() {
    for (reply, expected) in [
        (Reply::Bytes(b"HTTP/1.1 204 X\r\n\r\n".to_vec()), Removal::Removed),
        (http(200, ""), Removal::Removed),
        (http(202, r#"{"ok": true}"#), Removal::Removed),
        (http(404, r#"{"code": "NO_INSTANCE"}"#), Removal::AlreadyGone),
        (http(404, r#"{"code": "E404", "message": "gone"}"#), Removal::AlreadyGone),
        (http(404, ""), Removal::AlreadyGone),
        (with_headers(404, "Content-Type: application/json\r\n", ""), Removal::AlreadyGone),
        (http(200, r#"{"error": {"code": "NO_INSTANCE"}}"#), Removal::AlreadyGone),
    ] {
        let server = Server::start(vec![reply]).await;
        let removed = client(&server.url).remove_plan(&token(), "ep-1", "i-1", SOON).await;
        assert_eq!(removed.unwrap(), expected);
        let line = &server.seen()[0].line;
        assert_eq!(line, "DELETE /api/endpoints/ep-1/plans/i-1 HTTP/1.1");
    }
    for (reply, refused) in [
        (http(200, r#"{"error": {"code": "NOT_ALLOWED"}}"#), true),
        (http(409, "{}"), true),
        (http(200, r#"{"error": {"code": "HM"}}"#), false),
        (http(200, "fine"), false),
        (http(500, ""), false),
    ] {
        let server = Server::start(vec![reply]).await;
        let error =
            client(&server.url).remove_plan(&token(), "ep-1", "i-1", SOON).await.unwrap_err();
        assert_eq!(matches!(error, CallError::Refused(_)), refused, "{error:?}");
        assert_eq!(matches!(error, CallError::Unknown(_)), !refused, "{error:?}");
    }
}

#[tokio::test]
async fn a_change_of_status_is_done_where_the_answer_does_not_say_otherwise() {
    for (body, done) in [
        (endpoint_json("suspended", "active"), true),
        ("{}".to_owned(), true),
        (String::new(), true),
        (endpoint_json("active", "active"), false),
        (r#"{"error": {"code": "HM"}}"#.to_owned(), false),
    ] {
        let server = Server::start(vec![http(200, &body)]).await;
        let suspended = EndpointStatus::Suspended;
        let changed = client(&server.url).set_status(&token(), "ep-1", suspended, SOON).await;
        assert_eq!(changed.is_ok(), done, "{body}: {changed:?}");
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "PATCH /api/endpoints/ep-1 HTTP/1.1");
        assert_eq!(seen.body, r#"{"status":"suspended"}"#);
    }
}

#[tokio::test]
async fn connectivity_is_read_with_what_there_is_of_it() {
    let full = r#"{"state": "online", "network": {"name": "X", "country": "FR", "mcc": "208",
        "mnc": "01", "technology": "5G"}, "ip_address": "10.0.0.1", "imei": "359881234567896",
        "last_seen_at": "2026-11-23T05:23:00Z"}"#;
    let server = Server::start(vec![
        http(200, full),
        http(200, r#"{"state": "offline", "network": null}"#),
        http(200, r#"{"state": "roaming", "network": {"name": "X"}}"#),
        Reply::Bytes(b"HTTP/1.1 204 X\r\n\r\n".to_vec()),
    ])
    .await;
    let operator = client(&server.url);
    let read = || async { operator.connectivity(&token(), "ep-1", SOON).await.unwrap() };
    let online = read().await;
    assert_eq!(
        (online.state, online.network.unwrap().mnc.as_str()),
        (ConnectivityState::Online, "01")
    );
    assert!(online.last_seen_at.is_some());
    let offline = read().await;
    assert_eq!((offline.state, offline.network), (ConnectivityState::Offline, None));
    let odd = read().await;
    assert_eq!((odd.state, odd.network), (ConnectivityState::Unknown, None));
    operator.ping(&token(), SOON).await.unwrap();
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines[0], "GET /api/endpoints/ep-1/connectivity HTTP/1.1");
    assert_eq!(lines[3], "GET /api/ping HTTP/1.1");
    assert_eq!(server.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn an_id_from_outside_cannot_address_something_else() {
    let server = Server::start(vec![http(404, r#"{"code": "NO_ENDPOINT"}"#)]).await;
    let operator = client(&format!("{}/prefix/", server.url));
    let odd = "a/../b?c#d%e é";
    assert_eq!(operator.endpoint(&token(), odd, SOON).await.unwrap(), None);
    let line = &server.seen()[0].line;
    assert_eq!(line, "GET /prefix/api/endpoints/a%2F..%2Fb%3Fc%23d%25e%20%C3%A9 HTTP/1.1");
    for odd in ["", ".", ".."] {
        let error = operator.remove_plan(&token(), "ep-1", odd, SOON).await.unwrap_err();
        assert!(matches!(error, CallError::Refused(Refusal::Other(_))), "{error:?}");
    }
    assert_eq!(server.seen().len(), 1, "nothing was sent for them");
}

#[tokio::test]
async fn the_operators_words_are_shortened_to_one_line() {
    let message = "long\n".repeat(1000);
    let body = serde_json::json!({"code": "X", "message": message}).to_string();
    let error = add_plan(http(500, &body)).await.unwrap_err();
    let CallError::Unknown(UnknownCause::ErrorAnswer(text)) = error else { panic!("{error:?}") };
    assert!(text.len() < 250 && !text.contains('\n'), "{text}");
}

#[test]
fn an_address_that_cannot_be_called_is_refused() {
    for url in ["", "localhost:80", "ftp://host", "http://", "http://host?x=1", "http://host#x"] {
        let client = OperatorClient::new(url, String::new(), SecretString::from(""));
        assert!(client.is_err(), "{url}");
    }
}
