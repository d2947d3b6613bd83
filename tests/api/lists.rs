//! `GET /links`, `GET /links/{identifier}/history` and `GET /operations` as lists.

use crate::app::{Caller, TestApp, id};
use crate::on_both;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn named(app: &TestApp, name: &str) -> Value {
    let plan = app.plan("France 1 GB, 7 days").await;
    app.acme.post("/links", json!({"plan_id": plan["id"], "name": name})).await.expect(201)
}

/// Walks a list by cursor while rows come in front: what was there at the start is seen once.
async fn walk_while_it_grows(caller: &Caller, path: &str, mut grow: impl AsyncFnMut()) {
    let before: Vec<_> =
        caller.walk(path, 100).await.iter().map(|row| id(row).to_owned()).collect();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = caller.get(&format!("{path}?per_page=2{cursor}")).await.ok();
        let rows = part["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| id(row).to_owned()));
        assert_eq!(part["meta"]["to"], seen.len());
        let Some(next) = part["meta"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        grow().await;
    }
    assert_eq!(seen, before);
}

async fn a_list_without_rows_is_a_list(app: &mut TestApp) {
    for path in ["/links", "/operations"] {
        let list = app.acme.get(path).await.ok();
        let meta = json!({
            "current_page": 1, "last_page": 1, "per_page": 20, "total": 0, "from": null,
            "to": null, "next_cursor": null,
        });
        assert_eq!(list, json!({"data": [], "meta": meta}));
    }
}

async fn lists_are_newest_first_and_walked_while_they_grow(app: &mut TestApp) {
    let link = named(app, "0").await;
    let topup = app.acme.topups(&link).await[0].clone();
    for n in 1..5 {
        named(app, &n.to_string()).await;
        app.acme.add(&link, &[&topup]).await.ok();
    }
    let links = app.acme.walk("/links", 2).await;
    let names: Vec<_> = links.iter().map(|link| link["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["4", "3", "2", "1", "0"]);
    let second = app.acme.get("/links?page=2&per_page=2").await.ok();
    let meta = &second["meta"];
    assert_eq!((&meta["from"], &meta["to"], &meta["total"]), (&json!(3), &json!(4), &json!(5)));
    assert_eq!(second["data"][0]["name"], "2");
    assert_eq!(second["data"][0].get("activations"), None, "a summary");

    let history = format!("/links/{}/history", id(&link));
    let more = async || drop(named(app, "more").await);
    walk_while_it_grows(&app.acme, "/links", more).await;
    let more = async || drop(app.acme.add(&link, &[&topup]).await.ok());
    walk_while_it_grows(&app.acme, &history, more).await;
    walk_while_it_grows(&app.acme, "/operations", more).await;
}

async fn links_are_filtered_and_searched(app: &mut TestApp) {
    let mut links = Vec::new();
    for name in ["50% off", "under_score", "Straße", r"back\slash", "plain"] {
        links.push(named(app, name).await);
    }
    let path = format!("/links/{}", id(&links[4]));
    app.acme.put(&path, json!({"status": "suspended"})).await.ok();
    let first = &links[0];
    let text = |field: &str| first[field].as_str().unwrap().to_owned();
    let (iccid, msisdn) = (text("iccid"), text("msisdn").replace('+', "%2B"));
    for (query, expected) in [
        ("search=%25".to_owned(), vec!["50% off"]),
        ("search=_".to_owned(), vec!["under_score"]),
        ("search=%5C".to_owned(), vec![r"back\slash"]),
        ("search=UNDER".to_owned(), vec!["under_score"]),
        ("search=Stra%C3%9Fe".to_owned(), vec!["Straße"]),
        (format!("search={iccid}"), vec!["50% off"]),
        (format!("search={}", &iccid[3..]), vec!["50% off"]),
        (format!("search={msisdn}"), vec!["50% off"]),
        (format!("search={}", id(first)), vec!["50% off"]),
        (format!("search={}", id(first).to_uppercase()), vec!["50% off"]),
        ("status=suspended".to_owned(), vec!["plain"]),
        ("status=active&search=plain".to_owned(), vec![]),
        ("type=physical".to_owned(), vec![]),
        ("type=esim&status=suspended".to_owned(), vec!["plain"]),
        ("status=inactive".to_owned(), vec![]),
        ("search=".to_owned(), vec!["50% off", r"back\slash", "plain", "Straße", "under_score"]),
    ] {
        let found = app.acme.get(&format!("/links?{query}")).await.ok();
        let rows = found["data"].as_array().unwrap();
        let names: BTreeSet<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected.iter().copied().collect(), "{query}");
        assert_eq!(found["meta"]["total"], expected.len(), "{query}");
    }
}

async fn history_and_operations_are_filtered(app: &mut TestApp) {
    let link = named(app, "a").await;
    let topup = app.acme.topups(&link).await[0].clone();
    let body = json!({"add": [topup["id"]]});
    app.acme.keyed_put(&format!("/links/{}/plans", id(&link)), body, "mine").await.ok();
    app.acme.put(&format!("/links/{}", id(&link)), json!({"name": "b"})).await.ok();
    let history = format!("/links/{}/history", id(&link));
    for (path, expected) in [
        (format!("{history}?type=topup"), 1),
        (format!("{history}?type=activation"), 1),
        (format!("{history}?type=refund"), 0),
        ("/operations?state=succeeded".to_owned(), 3),
        ("/operations?state=refunded".to_owned(), 0),
        ("/operations?kind=topup".to_owned(), 1),
        ("/operations?kind=update_link&state=succeeded".to_owned(), 1),
        ("/operations?idempotency_key=mine".to_owned(), 1),
        ("/operations?idempotency_key=other".to_owned(), 0),
    ] {
        assert_eq!(app.acme.total(&path).await, expected, "{path}");
    }
    for (path, field) in [
        (format!("{history}?type=gift"), "type"),
        ("/operations?state=lost".to_owned(), "state"),
        ("/operations?kind=theft".to_owned(), "kind"),
        ("/operations?idempotency_key=%00".to_owned(), "idempotency_key"),
        ("/operations?cursor=AAAA".to_owned(), "cursor"),
        ("/links?search=%00".to_owned(), "search"),
        ("/links?status=gone".to_owned(), "status"),
        ("/links?type=paper".to_owned(), "type"),
        ("/links?per_page=-1".to_owned(), "per_page"),
    ] {
        app.acme.get(&path).await.names_field(field);
    }
    let far = app.acme.get("/links?page=99999999999999999999").await.ok();
    assert_eq!((&far["data"], &far["meta"]["total"]), (&json!([]), &json!(1)));
}

async fn a_cursor_that_no_list_gave_out_is_refused_or_leads_nowhere(app: &mut TestApp) {
    let link = named(app, "only").await;
    let history = format!("/links/{}/history", id(&link));
    let nobody = "00000000-0000-7000-8000-000000000000";
    let nul = format!("{nobody}:a\0b");
    let long = "x".repeat(300);
    let keys = [nobody, &nul, "a\0b", "\0", "-9223372036854775808", "9223372036854775808", &long];
    for path in ["/plans", "/links", "/operations", &history] {
        for key in keys {
            let head = [1, 0, 0, 0, 0, 0, 0, 0, 1];
            let cursor = URL_SAFE_NO_PAD.encode([&head, key.as_bytes()].concat());
            let answer = app.acme.get(&format!("{path}?cursor={cursor}")).await;
            if answer.status == 200 {
                assert_eq!(answer.data()["data"], json!([]), "{path} {key:?}");
            } else {
                answer.names_field("cursor");
            }
        }
    }
}

on_both! {
    AMPLE:
    a_list_without_rows_is_a_list,
    lists_are_newest_first_and_walked_while_they_grow,
    links_are_filtered_and_searched,
    history_and_operations_are_filtered,
    a_cursor_that_no_list_gave_out_is_refused_or_leads_nowhere,
}
