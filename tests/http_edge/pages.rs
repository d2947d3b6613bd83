//! The list envelope, by page number and by cursor.

use serde_json::{Value, json};

use crate::server::{Answer, TestServer};

async fn list(server: &TestServer, query: &str) -> Value {
    Answer::to(server.get(&format!("/links?{query}"))).await.data()
}

#[tokio::test]
async fn an_empty_list_has_one_page_and_no_rows() {
    let server = TestServer::start();
    let expected = json!({
        "data": [],
        "meta": {
            "current_page": 1, "last_page": 1, "per_page": 20, "total": 0,
            "from": null, "to": null, "next_cursor": null,
        },
    });
    assert_eq!(list(&server, "rows=0").await, expected);
}

#[tokio::test]
async fn a_page_counts_its_rows_from_the_lists_beginning() {
    let server = TestServer::start();
    let mut page = list(&server, "rows=45&page=2").await;
    assert!(page["meta"]["next_cursor"].is_string());
    page["meta"]["next_cursor"] = Value::Null;
    assert_eq!(page["data"], json!((21..=40).collect::<Vec<_>>()));
    let meta = json!({
        "current_page": 2, "last_page": 3, "per_page": 20, "total": 45,
        "from": 21, "to": 40, "next_cursor": null,
    });
    assert_eq!(page["meta"], meta);
}

#[tokio::test]
async fn the_last_page_has_no_next_cursor_even_when_it_is_full() {
    let server = TestServer::start();
    let page = list(&server, "rows=40&page=2").await;
    assert_eq!(page["meta"]["to"], 40);
    assert_eq!(page["meta"]["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_page_past_the_end_is_empty_however_far() {
    let server = TestServer::start();
    for page in ["4", "4294967296", "9223372036854775807", "18446744073709551616", &"9".repeat(99)]
    {
        let page = list(&server, &format!("rows=45&per_page=100&page={page}")).await;
        assert_eq!(page["data"], json!([]));
        assert_eq!(page["meta"]["total"], 45);
        assert_eq!(page["meta"]["from"], Value::Null);
        assert_eq!(page["meta"]["to"], Value::Null);
        assert_eq!(page["meta"]["next_cursor"], Value::Null);
    }
}

#[tokio::test]
async fn the_cursor_walks_the_whole_list_with_the_right_counts() {
    let server = TestServer::start();
    let mut seen = Vec::new();
    let mut query = "rows=45&per_page=10".to_owned();
    for number in 1.. {
        let page = list(&server, &query).await;
        let rows = page["data"].as_array().unwrap().clone();
        assert_eq!(page["meta"]["current_page"], number);
        assert_eq!(page["meta"]["from"], rows[0]);
        assert_eq!(page["meta"]["to"], *rows.last().unwrap());
        seen.extend(rows);
        match page["meta"]["next_cursor"].as_str() {
            Some(cursor) => query = format!("rows=45&per_page=10&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(json!(seen), json!((1..=45).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_malformed_page_parameter_is_named() {
    let server = TestServer::start();
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.0", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=1&page=2", "page"),
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("per_page=99999999999", "per_page"),
        ("cursor=", "cursor"),
        ("cursor=!!", "cursor"),
        ("cursor=AAAA", "cursor"),
        // Well-formed, but its key ("x") is none of this list's.
        ("cursor=AQAAAAAAAAABeA", "cursor"),
    ] {
        let answer = Answer::to(server.get(&format!("/links?rows=45&{query}"))).await;
        answer.invalid_fields(&[field]);
    }
}
