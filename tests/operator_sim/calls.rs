//! Every call of the table.

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{PLAN, Sim, path_of};

#[tokio::test]
async fn ping_answers() {
    let sim = Sim::start().await;
    assert_eq!(sim.get("/api/ping").await, (StatusCode::NO_CONTENT, Value::Null));
    sim.running.stop().await;
}

#[tokio::test]
async fn only_an_issued_token_is_admitted() {
    let mut sim = Sim::start().await;
    sim.token = "0".repeat(32);
    let (status, body) = sim.get("/api/ping").await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("UNAUTHORIZED")));
    sim.log_in().await;
    assert_eq!(sim.get("/api/ping").await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_catalogue_is_paged_and_complete() {
    let sim = Sim::start().await;
    let (mut plans, mut page) = (Vec::new(), 1);
    let total = loop {
        let (status, body) = sim.get(&format!("/api/catalogue?page={page}&per_page=100")).await;
        assert_eq!(status, StatusCode::OK);
        let items = body["items"].as_array().unwrap();
        if items.is_empty() {
            break body["total"].as_u64().unwrap();
        }
        plans.extend(items.clone());
        page += 1;
    };
    assert_eq!(plans.len() as u64, total);
    assert!(total >= 200, "{total}");
    let distinct = |pointer: &str| -> HashSet<String> {
        plans.iter().map(|plan| plan.pointer(pointer).unwrap().to_string()).collect()
    };
    assert_eq!(distinct("/plan_id").len(), plans.len());
    assert_eq!(distinct("/sponsor/id").len(), 3);
    assert_eq!(distinct("/coverage_type").len(), 3);
    assert_eq!(distinct("/region").len(), 7);
    for plan in &plans {
        let price: f64 = plan["wholesale_price"].as_str().unwrap().parse().unwrap();
        assert!(price > 0.0 && plan["currency"] == "USD", "{plan}");
        assert!(plan["data_mb"].as_u64() > Some(0) && plan["validity_days"].as_u64() > Some(0));
        assert_eq!(plan["region"].is_null(), plan["coverage_type"] == "global");
        for country in plan["coverage"].as_array().unwrap() {
            let network = &country["networks"][0];
            assert!(network["mcc"].as_str().unwrap().len() == 3, "{plan}");
            assert!(!network["technologies"].as_array().unwrap().is_empty());
        }
        assert!(!plan["coverage"].as_array().unwrap().is_empty(), "{plan}");
    }
}

#[tokio::test]
async fn an_endpoint_is_created_active_with_its_plan_and_read_back() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    assert_eq!(endpoint["status"], "active");
    assert_eq!(endpoint["reference"], "op-1");
    assert_eq!(endpoint["sponsor"]["id"], "meridian");
    assert!(endpoint["msisdn"].as_str().unwrap().starts_with('+'));
    let plan = &endpoint["plans"][0];
    assert_eq!((&plan["plan_id"], &plan["reference"]), (&json!(PLAN), &json!("op-1")));
    assert_eq!((&plan["state"], &plan["data_used_mb"]), (&json!("active"), &json!(0)));
    assert_eq!((&plan["data_total_mb"], &plan["first_used_at"]), (&json!(1_000), &Value::Null));

    assert_eq!(sim.get(&path_of(&endpoint)).await, (StatusCode::OK, endpoint.clone()));
    let iccid = endpoint["iccid"].as_str().unwrap();
    let found = sim.get(&format!("/api/endpoints?iccid={iccid}")).await;
    assert_eq!(found, (StatusCode::OK, json!({"items": [endpoint]})));
}

#[tokio::test]
async fn a_card_without_an_endpoint_has_no_items() {
    let sim = Sim::start().await;
    let free = sim.free_iccid().await;
    let found = sim.get(&format!("/api/endpoints?iccid={free}")).await;
    assert_eq!(found, (StatusCode::OK, json!({"items": []})));
}

#[tokio::test]
async fn a_card_has_one_endpoint() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let body = json!({"iccid": endpoint["iccid"], "plan_id": PLAN, "reference": "op-2"});
    let (status, error) = sim.post("/api/endpoints", &body).await;
    assert_eq!((status, &error["code"]), (StatusCode::CONFLICT, &json!("SIM_IN_USE")));
    assert!(sim.journal("op-2").await.is_empty());
}

#[tokio::test]
async fn a_plan_of_another_sponsor_is_not_allowed() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let body = json!({"plan_id": "northstar-global-1gb-15d", "reference": "op-2"});
    let (status, error) = sim.post(&format!("{}/plans", path_of(&endpoint)), &body).await;
    assert_eq!((status, &error["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("NOT_ALLOWED")));
    let create = json!({"iccid": sim.free_iccid().await, "plan_id": body["plan_id"]});
    let (status, error) = sim.post("/api/endpoints", &create).await;
    assert_eq!((status, &error["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("NOT_ALLOWED")));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = path_of(&endpoint);
    let plan = json!({"plan_id": "none", "reference": "r"});
    let cases = [
        (sim.post(&format!("{path}/plans"), &plan).await, 422, "NO_PLAN"),
        (sim.get("/api/endpoints/ep-0000000000000000").await, 404, "NO_ENDPOINT"),
        (sim.get("/api/endpoints/x/connectivity").await, 404, "NO_ENDPOINT"),
        (sim.delete(&format!("{path}/plans/pi-0000000000000000")).await, 404, "NO_INSTANCE"),
        (sim.get("/api/sims/8900000000000000000").await, 404, "NO_SIM"),
        (sim.get("/api/sms/sms-0000000000000000").await, 404, "NO_SMS"),
        (sim.get("/api/elsewhere").await, 404, "NOT_FOUND"),
    ];
    for ((status, body), expected, code) in cases {
        assert_eq!((status.as_u16(), body["code"].as_str()), (expected, Some(code)), "{body}");
        assert!(body["message"].is_string());
    }
}

#[tokio::test]
async fn adding_a_plan_twice_adds_two() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let (status, first) = sim.add_plan(&endpoint, "op-2").await;
    let (_, second) = sim.add_plan(&endpoint, "op-2").await;
    assert_eq!((status, &first["reference"]), (StatusCode::CREATED, &json!("op-2")));
    assert_ne!(first["instance_id"], second["instance_id"]);
    let (_, endpoint) = sim.get(&path_of(&endpoint)).await;
    assert_eq!(endpoint["plans"].as_array().unwrap()[1..], [first, second]);
}

#[tokio::test]
async fn a_removed_plan_is_shown_as_removed_and_gone_the_second_time() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let (_, added) = sim.add_plan(&endpoint, "op-2").await;
    let path = format!("{}/plans/{}", path_of(&endpoint), added["instance_id"].as_str().unwrap());
    assert_eq!(sim.delete(&path).await.0, StatusCode::NO_CONTENT);
    let (status, error) = sim.delete(&path).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("NO_INSTANCE")));
    let (_, endpoint) = sim.get(&path_of(&endpoint)).await;
    assert_eq!(endpoint["plans"][1]["state"], "removed");
}

#[tokio::test]
async fn a_suspended_endpoint_refuses_nothing_but_reports_it() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = path_of(&endpoint);
    for _ in 0..2 {
        let (status, body) = sim.patch(&path, &json!({"status": "suspended"})).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("suspended")));
    }
    assert_eq!(sim.add_plan(&endpoint, "op-2").await.0, StatusCode::CREATED);
    let (status, body) = sim.patch(&path, &json!({"status": "active"})).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("active")));
    let done: Vec<_> = sim.journal("op-1").await;
    assert_eq!(done.len(), 3, "setting the status it has is no mutation: {done:?}");
}

#[tokio::test]
async fn a_terminated_endpoint_is_final_and_its_card_is_free_again() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = path_of(&endpoint);
    assert_ne!(json!(sim.free_iccid().await), endpoint["iccid"]);
    for _ in 0..2 {
        let (status, body) = sim.patch(&path, &json!({"status": "terminated"})).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("terminated")));
    }
    let sms = json!({"text": "hello", "reference": "op-4"});
    for (status, error) in [
        sim.patch(&path, &json!({"status": "active"})).await,
        sim.add_plan(&endpoint, "op-2").await,
        sim.post(&format!("{path}/sms"), &sms).await,
    ] {
        assert_eq!((status, &error["code"]), (StatusCode::CONFLICT, &json!("NOT_ALLOWED")));
    }
    assert_eq!(json!(sim.free_iccid().await), endpoint["iccid"]);
    let again = sim.endpoint("op-3").await;
    assert_eq!(again["iccid"], endpoint["iccid"]);
    assert_ne!(again["endpoint_id"], endpoint["endpoint_id"]);
    let iccid = endpoint["iccid"].as_str().unwrap();
    let (_, both) = sim.get(&format!("/api/endpoints?iccid={iccid}")).await;
    assert_eq!(both["items"][0]["reference"], "op-3");
    assert_eq!(both["items"][1]["status"], "terminated");
}

#[tokio::test]
async fn a_message_is_accepted_then_delivered_and_found_by_its_reference() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let path = format!("{}/sms", path_of(&endpoint));
    for reference in ["op-2", "op-3"] {
        let body = json!({"text": "hello", "reference": reference});
        let (status, sent) = sim.post(&path, &body).await;
        assert_eq!((status, &sent["state"]), (StatusCode::ACCEPTED, &json!("accepted")));
    }
    let (_, found) = sim.get(&format!("{path}?reference=op-3")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["reference"], "op-3");
    assert_eq!(sim.get(&path).await.1["items"].as_array().unwrap().len(), 2);
    let (_, none) = sim.get(&format!("{path}?reference=op-9")).await;
    assert_eq!(none, json!({"items": []}));
    let sms_id = found["items"][0]["sms_id"].as_str().unwrap();
    while sim.get(&format!("/api/sms/{sms_id}")).await.1["state"] != "delivered" {}
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed_and_one_that_does_not_fit_names_its_field() {
    let sim = Sim::start().await;
    let create = || sim.call(Method::POST, "/api/endpoints");
    for body in ["{", "", "nothing"] {
        let answer = create().body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "MALFORMED");
    }
    let (status, error) = sim.post("/api/endpoints", &json!({"iccid": 1, "plan_id": "p"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(error["message"].as_str().unwrap().contains("iccid"), "{error}");
    let answer = create().body(vec![b' '; 65 * 1024]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn concurrent_creations_on_one_card_make_one_endpoint() {
    let sim = Sim::start().await;
    let body = json!({"iccid": sim.free_iccid().await, "plan_id": PLAN, "reference": "op"});
    let calls = (0..16).map(|_| {
        let request = sim.call(Method::POST, "/api/endpoints").json(&body);
        tokio::spawn(async move { request.send().await.unwrap().status() })
    });
    let mut statuses = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        statuses.push(call.await.unwrap());
    }
    let created = statuses.iter().filter(|status| **status == StatusCode::CREATED).count();
    assert_eq!(created, 1);
    assert_eq!(sim.journal("op").await.len(), 1);
}
