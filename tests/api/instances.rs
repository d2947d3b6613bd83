//! Two services on one database.

use crate::app::{AMPLE, DatabaseKind, TestApp, eventually, id};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_changes_another_tells_within_a_second() {
    let Some(app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    let (running, second) = app.another().await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let topup = app.acme.topups(&link).await[0].clone();
    // The Link is known to both.
    assert_eq!(second.show(&link).await["id"], link["id"]);
    for _ in 0..3 {
        app.acme.add(&link, &[&topup]).await.ok();
        assert_eq!(second.balance().await, app.acme.balance().await, "at once");
        second.add(&link, &[&topup]).await.ok();
        assert_eq!(second.balance().await, app.acme.balance().await, "at once");
    }
    assert_eq!(second.show(&link).await["activations"].as_array().unwrap().len(), 7);

    let path = format!("/links/{}", id(&link));
    app.acme.put(&path, json!({"status": "suspended"})).await.ok();
    let since = Instant::now();
    eventually("the other shows it", async || second.show(&link).await["status"] == "suspended")
        .await;
    eventually("the other holds to it", async || second.add(&link, &[&topup]).await.status == 422)
        .await;
    assert!(since.elapsed() < Duration::from_secs(1));
    second.put(&path, json!({"status": "active", "name": "both"})).await.ok();
    assert_eq!(app.acme.show(&link).await["name"], "both");
    running.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_reads_of_use_is_not_undone_by_what_another_has_cached() {
    let Some(mut app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    app.restart(|config| config.cache.usage_ttl = Duration::from_mins(1)).await;
    let (running, second) = app.another().await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    assert_eq!(second.show(&link).await["activations"][0]["status"], "active");
    app.operator.usage(json!({"iccid": link["iccid"], "used_mb": 1000})).await;
    let first = app.acme.show(&link).await;
    assert_eq!(first["activations"][0]["status"], "depleted");
    eventually("the other shows it", async || {
        let shown = second.show(&link).await;
        shown["activations"] == first["activations"] && shown["usage"] == first["usage"]
    })
    .await;
    running.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_one_intent_on_all_instances() {
    let Some(app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    let (running, second) = app.another().await;
    let plan = app.plan("France 1 GB, 7 days").await;
    app.acme.link(&plan).await;
    let faults = json!({"latency_ms": {"p50": 300, "p99": 300}, "only": ["create_endpoint"]});
    app.operator.faults(faults).await;
    let body = json!({"plan_id": plan["id"]});
    let calls = (0..8).map(|n| {
        let caller = if n % 2 == 0 { &app.acme } else { &second };
        caller.keyed_post("/links", body.clone(), "one")
    });
    let answers = futures_util::future::join_all(calls).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:#?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.fails(409, "OPERATION_IN_PROGRESS");
    }
    let again = second.keyed_post("/links", body, "one").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(app.acme.total("/links").await, 2);
    running.stop().await;
    app.finish().await;
}

/// Whether a Link is answered as it was, though its row is another: changed by nobody that the
/// service could know of.
async fn answers_as_before(app: &TestApp, link: &Value, behind: &mut PgConnection) -> bool {
    let before = app.acme.show(link).await;
    sqlx::query("UPDATE links SET name = COALESCE(name, '') || '+' WHERE id::text = $1")
        .bind(id(link))
        .execute(behind)
        .await
        .unwrap();
    app.acme.show(link).await["name"] == before["name"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_given_again_only_where_no_other_instance_is() {
    let Some(mut app) = TestApp::start(DatabaseKind::Postgres, AMPLE).await else { return };
    // Else no answer is kept.
    app.restart(|config| config.cache.usage_ttl = Duration::from_mins(1)).await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let path = format!("/links/{}", id(&link));
    // The harness is at work on the database too.
    app.database.close().await;
    let mut behind = PgConnection::connect(app.config.database.url.expose_secret()).await.unwrap();
    eventually("it is alone", async || answers_as_before(&app, &link, &mut behind).await).await;

    let (running, second) = app.another().await;
    for n in 0..20 {
        let name = format!("name {n}");
        app.acme.show(&link).await;
        second.put(&path, json!({"name": name})).await.ok();
        assert_eq!(app.acme.show(&link).await["name"], *name, "at once");
        assert!(!answers_as_before(&app, &link, &mut behind).await);
    }

    running.stop().await;
    eventually("it is alone again", async || answers_as_before(&app, &link, &mut behind).await)
        .await;
    let shown = app.acme.put(&path, json!({"name": "its own"})).await.ok();
    assert_eq!(app.acme.show(&link).await["name"], shown["name"]);
    app.stop().await;
}
