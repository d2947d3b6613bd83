//! The main job: a plan, a Link, a top-up, and the books after it.

use crate::app::TestApp;
use crate::on_both;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn money(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("money is text: {value}")).parse().unwrap()
}

async fn a_link_is_sold_topped_up_and_accounted_for(app: &mut TestApp) {
    let acme = &app.acme;
    let france = app.plan("France 1 GB, 7 days").await;
    let europe = app.plan("Europe 5 GB, 30 days").await;
    assert_eq!(france["retail_price"], france["partner_cost"]);
    assert_eq!(acme.balance().await, "1000.00");

    let answer = acme.post("/links", json!({"plan_id": france["id"], "name": "Ada"})).await;
    let operation = answer.operation_id().to_owned();
    let link = answer.expect(201);
    assert_eq!(
        (&link["name"], &link["type"], &link["status"]),
        (&json!("Ada"), &json!("esim"), &json!("active"))
    );
    assert_eq!(
        (&link["amount_charged"], &link["currency"]),
        (&france["retail_price"], &json!("USD"))
    );
    assert_eq!(link["sponsor_profile"], france["sponsor_profiles"][0]);
    assert_eq!(link["coverage"], france["coverage"]);
    assert!(link["msisdn"].as_str().unwrap().starts_with('+'));
    let rest = Decimal::from(1000) - money(&france["retail_price"]);
    assert_eq!(acme.balance().await, rest.to_string());

    let shown = acme.show(&link).await;
    for field in link.as_object().unwrap().keys() {
        if !["amount_charged", "currency", "usage", "esim_profile"].contains(&field.as_str()) {
            assert_eq!(shown[field], link[field], "{field}");
        }
    }
    let done = acme.get(&format!("/operations/{operation}")).await.ok();
    assert_eq!((&done["state"], &done["kind"]), (&json!("succeeded"), &json!("create_link")));
    assert_eq!((&done["link_id"], &done["error"]), (&link["id"], &Value::Null));

    // A plan of the same cards, which the plan of one country may not be.
    let topups = acme
        .get(&format!(
            "/links/{}/topup-plans?coverage_type=regional&region=EU",
            link["id"].as_str().unwrap()
        ))
        .await
        .ok();
    let europe = topups["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plan| plan["name"] == europe["name"])
        .unwrap();
    let added = acme.add(&link, &[europe]).await.ok();
    assert_eq!((&added["link_id"], &added["iccid"]), (&link["id"], &link["iccid"]));
    assert_eq!(
        (&added["removed"], &added["amount_charged"]),
        (&json!([]), &europe["retail_price"])
    );
    let rest = rest - money(&europe["retail_price"]);
    assert_eq!(acme.balance().await, rest.to_string());

    let shown = acme.show(&link).await;
    let activations = shown["activations"].as_array().unwrap();
    assert_eq!(activations.len(), 2);
    assert_eq!(activations[0], added["added"][0], "newest first");
    assert!(activations.iter().all(|a| a["status"] == "active" && a["first_used_at"].is_null()));
    let union: BTreeSet<_> = [&france, europe]
        .iter()
        .flat_map(|plan| plan["coverage"]["countries"].as_array().unwrap())
        .map(|code| code.as_str().unwrap())
        .collect();
    assert_eq!(shown["coverage"]["countries"], json!(union));
    assert_eq!(shown["coverage"]["total_countries"], union.len());
    assert_eq!(shown["data_remaining_mb"], 6000);

    let history = acme.get(&format!("/links/{}/history", link["id"].as_str().unwrap())).await.ok();
    let rows = history["data"].as_array().unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["topup", "activation"]);
    assert_eq!(money(&rows[0]["amount"]), -money(&europe["retail_price"]));
    assert_eq!(rows[0]["balance_after"], rest.to_string());
    assert_eq!(rows[1]["operation_id"], operation);
    assert_eq!(rows[1]["activation_id"], activations[1]["id"]);
    assert!(rows.iter().all(|row| row["iccid"] == link["iccid"] && row["currency"] == "USD"));
}

on_both! { AMPLE: a_link_is_sold_topped_up_and_accounted_for }
