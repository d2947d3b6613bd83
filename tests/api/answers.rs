//! What is answered of a Link from memory is never older than a change.

use crate::app::{AMPLE, DatabaseKind, TestApp, eventually, id};
use crate::on_both;
use serde_json::{Value, json};
use std::time::Duration;

fn activations(link: &Value) -> usize {
    link["activations"].as_array().unwrap().len()
}

/// The operator is asked seldom, as in a service: else no answer is kept.
async fn with_a_cache(app: &mut TestApp) {
    app.restart(|config| config.cache.usage_ttl = Duration::from_mins(1)).await;
}

async fn each_change_shows_at_once(app: &mut TestApp) {
    with_a_cache(app).await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let topup = app.acme.topups(&link).await[0].clone();
    let path = format!("/links/{}", id(&link));
    for n in 0..10 {
        let before = app.acme.show(&link).await;
        app.acme.add(&link, &[&topup]).await.ok();
        let shown = app.acme.show(&link).await;
        assert_eq!(activations(&shown), activations(&before) + 1);
        let name = format!("name {n}");
        app.acme.put(&path, json!({"name": name})).await.ok();
        assert_eq!(app.acme.show(&link).await["name"], *name);
        for status in ["suspended", "active"] {
            app.acme.put(&path, json!({"status": status})).await.ok();
            assert_eq!(app.acme.show(&link).await["status"], status);
        }
        let remove = json!({"remove": [shown["activations"][0]["id"]]});
        app.acme.put(&format!("{path}/plans"), remove).await.ok();
        let removed = &app.acme.show(&link).await["activations"][0];
        assert_eq!(removed["status"], "cancelled");
    }
}

on_both! { AMPLE: each_change_shows_at_once }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_given_again_for_a_second_at_most() {
    let mut app = TestApp::start(DatabaseKind::Sqlite, AMPLE).await.unwrap();
    with_a_cache(&mut app).await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let rename = async |name: &str| {
        let id = id(&link).replace('-', "");
        let row = format!("UPDATE links SET name = '{name}' WHERE hex(id) = upper('{id}')");
        app.sql(row).await;
    };
    let mut n = 0;
    eventually("it is given again", async || {
        n += 1;
        let name = format!("name {n}");
        let before = app.acme.show(&link).await;
        rename(&name).await;
        app.acme.show(&link).await["name"] == before["name"]
    })
    .await;
    eventually("what a command changes shows", async || {
        app.acme.show(&link).await["name"] == *format!("name {n}")
    })
    .await;
    app.finish().await;
}
