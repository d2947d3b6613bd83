//! Whether a request would rather have CSV than JSON: its `Accept` header (RFC 9110 §12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header, Quality};

/// JSON is what is answered where both are as welcome, where neither is, and to a header that
/// cannot be read.
pub(super) fn prefers_csv(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else { return false };
    let csv = welcome(&accept, "text", "csv");
    csv.0 > Quality::ZERO && csv > welcome(&accept, "application", "json")
}

/// How welcome a media type is, and by how exact a range: the most exact one decides.
fn welcome(accept: &Accept, kind: &str, subtype: &str) -> (Quality, u8) {
    let ranges = accept.iter().filter_map(|range| {
        let exactness = match (range.item.type_().as_str(), range.item.subtype().as_str()) {
            (t, s) if t == kind && s == subtype => 3,
            (t, "*") if t == kind => 2,
            ("*", "*") => 1,
            _ => return None,
        };
        Some((exactness, range.quality))
    });
    ranges.max_by_key(|(exactness, _)| *exactness).map_or((Quality::ZERO, 0), |(e, q)| (q, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn csv_is_given_to_who_would_rather_have_it() {
        for (accept, csv) in [
            ("text/csv", true),
            ("text/csv; charset=utf-8", true),
            ("TEXT/CSV", true),
            ("text/*", true),
            ("text/csv, */*", true),
            ("text/csv, application/json;q=0.9", true),
            ("application/json;q=0.5, text/csv;q=0.6", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/plain, */*", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("text/csv;q=0", false),
            ("text/csv;q=0, */*", false),
            ("text/csv;q=0.5, application/json", false),
            ("text/csv, application/json", false),
            ("image/png", false),
            ("", false),
            ("csv", false),
        ] {
            let request =
                TestRequest::default().insert_header(("Accept", accept)).to_http_request();
            assert_eq!(prefers_csv(&request), csv, "{accept}");
        }
        assert!(!prefers_csv(&TestRequest::default().to_http_request()));
    }
}
