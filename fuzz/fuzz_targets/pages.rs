//! Queries: pages, cursors and filters. Whatever is asked for, a page is a bounded part of a list.
#![no_main]

use actix_web::test::TestRequest;
use actix_web::{FromRequest, dev::Payload};
use bappy::http::cursor::Cursor;
use bappy::http::page::{Page, PageRequest};
use bappy::http::query::StrictQuery;
use bappy::http::transactions::Filter;
use bappy::store::page::{Part, Place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    if let Some(cursor) = Cursor::decode(query) {
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
    let Ok(uri) = actix_web::http::Uri::try_from(format!("/?{query}")) else { return };
    let request = TestRequest::default().uri(&uri.to_string()).to_http_request();
    let _ = StrictQuery::<Filter>::from_request(&request, &mut Payload::None).into_inner();
    let Ok(page) = PageRequest::from_request(&request, &mut Payload::None).into_inner() else {
        return;
    };
    assert!((1..=100).contains(&page.per_page()));
    let Ok(window) = page.window(|key| key.parse::<u64>().ok()) else { return };
    if let Place::Page(number) = window.place {
        assert!(number >= 1);
    }
    for (rows, total) in [(vec![], 0), (vec![1_u64, 2], i64::MAX), (vec![1], -1)] {
        let part = Part { next: rows.last().copied(), rows, total };
        let shown = serde_json::to_value(Page::of(&page, part, u64::to_string)).unwrap();
        assert!(shown["meta"]["last_page"].as_u64().unwrap() >= 1);
        // No list has rows past this.
        let ends = shown["meta"]["to"].as_u64().is_some_and(|to| i64::try_from(to).is_ok());
        if let Some(next) = shown["meta"]["next_cursor"].as_str().filter(|_| ends) {
            assert!(Cursor::decode(next).is_some());
        }
    }
});
