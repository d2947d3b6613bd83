//! `GET /organization` and `GET /organization/balance`.

use crate::app::TestApp;
use crate::on_both;
use serde_json::json;

async fn a_profile_tells_prices_and_currency(app: &mut TestApp) {
    let profile = app.acme.get("/organization").await.ok();
    let pricing = json!({"price_per_sms": "0.05", "price_per_link": "0.50"});
    assert_eq!((&profile["slug"], &profile["name"]), (&json!("acme"), &json!("Acme Travel")));
    assert_eq!((&profile["status"], &profile["currency"]), (&json!("active"), &json!("USD")));
    assert_eq!(profile["pricing"], pricing);
    assert!(profile["created_at"].is_string() && profile["id"].is_string());
    let fields: Vec<_> = profile.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 7, "{fields:?}");
}

async fn a_client_without_a_claim_leads_to_its_organization(app: &mut TestApp) {
    assert_eq!(app.globex.get("/organization").await.ok()["slug"], "globex");
    let balance = app.globex.get("/organization/balance").await.ok();
    assert_eq!((&balance["balance"], &balance["currency"]), (&json!("50.00"), &json!("EUR")));
    assert!(balance["updated_at"].is_string());
}

async fn a_balance_tells_when_it_changed(app: &mut TestApp) {
    let before = app.acme.get("/organization/balance").await.ok();
    app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let after = app.acme.get("/organization/balance").await.ok();
    assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
}

async fn a_suspension_shows_within_a_second(app: &mut TestApp) {
    app.acme.get("/links").await.ok();
    app.sql("UPDATE organizations SET status = 'suspended' WHERE slug = 'acme'".to_owned()).await;
    let since = std::time::Instant::now();
    crate::app::eventually("acme is suspended", async || {
        app.acme.get("/links").await.status == 403
    })
    .await;
    assert!(since.elapsed().as_millis() < 1000);
    app.sql("UPDATE organizations SET status = 'active' WHERE slug = 'acme'".to_owned()).await;
    crate::app::eventually("acme is back", async || app.acme.get("/links").await.status == 200)
        .await;
}

on_both! {
    AMPLE:
    a_profile_tells_prices_and_currency,
    a_client_without_a_claim_leads_to_its_organization,
    a_balance_tells_when_it_changed,
    a_suspension_shows_within_a_second,
}
