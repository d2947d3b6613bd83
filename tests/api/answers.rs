//! What is answered of a Link from memory is never older than a change.

use crate::app::{AMPLE, DatabaseKind, TestApp, eventually, id};
use crate::on_both;
use bappy::config::Limit;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

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

async fn what_is_remembered_is_told_to_nobody_else(app: &mut TestApp) {
    with_a_cache(app).await;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let path = format!("/links/{}", id(&link));
    let mut forger = app.acme.clone();
    forger.token.push('x');
    for _ in 0..20 {
        let shown = app.acme.show(&link).await;
        app.globex.get(&path).await.fails(404, "NOT_FOUND");
        for stranger in [&forger, &app.nobody] {
            stranger.get(&path).await.fails(401, "UNAUTHORIZED");
        }
        app.initech.get(&path).await.fails(403, "ORG_SUSPENDED");
        let upper = app.acme.get(&path.to_uppercase().replace("/LINKS/", "/links/")).await;
        assert_eq!(upper.ok(), shown);
        let head = app.acme.http.head(format!("{}{path}", app.acme.base));
        let head = head.bearer_auth(&app.acme.token).send().await.unwrap();
        assert!(head.status() == 200 && head.headers().contains_key("x-request-id"));
        assert!(head.bytes().await.unwrap().is_empty());
        for (sent, told) in [("of-the-caller", true), ("not fit", false)] {
            let get = app.acme.http.get(format!("{}{path}", app.acme.base));
            let get = get.bearer_auth(&app.acme.token).header("x-request-id", sent);
            let answer = get.send().await.unwrap();
            assert_eq!(answer.headers()["x-request-id"] == sent, told);
        }
    }
    app.sql("UPDATE organizations SET status = 'suspended' WHERE slug = 'acme'".to_owned()).await;
    eventually("it is suspended", async || {
        app.acme.get(&path).await;
        app.acme.get("/links").await.status == 403
    })
    .await;
    app.acme.get(&path).await.fails(403, "ORG_SUSPENDED");
    app.sql("UPDATE organizations SET status = 'active' WHERE slug = 'acme'".to_owned()).await;
    eventually("it is let in again", async || app.acme.get(&path).await.status == 200).await;
}

async fn what_is_remembered_takes_from_the_budget(app: &mut TestApp) {
    const BURST: u32 = 20;
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let path = format!("/links/{}", id(&link));
    app.restart(|config| {
        config.cache.usage_ttl = Duration::from_mins(1);
        config.rate_limit.enabled = true;
        let (per_second, burst) = (NonZeroU32::MIN, NonZeroU32::new(BURST).unwrap());
        config.rate_limit.requests = Limit { per_second, burst };
    })
    .await;
    let (begin, mut answered) = (Instant::now(), 0);
    for _ in 0..10 * BURST {
        let answer = app.acme.get(&path).await;
        if answer.status == 200 {
            answered += 1;
        } else {
            answer.fails(429, "RATE_LIMITED");
            assert!(answer.header("ratelimit").unwrap().starts_with(r#""default";r=0;"#));
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    // One more a second.
    let more = begin.elapsed().as_secs() + 1;
    assert!(answered <= u64::from(BURST) + more, "{answered} in {more} s");
    app.restart(|config| config.rate_limit.enabled = false).await;
}

on_both! {
    AMPLE:
    each_change_shows_at_once,
    what_is_remembered_is_told_to_nobody_else,
    what_is_remembered_takes_from_the_budget,
}

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
