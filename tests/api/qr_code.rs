//! `GET /links/{identifier}/qr-code`, read back by a decoder that has nothing to do with what drew it.

use crate::app::{TestApp, id};
use crate::on_both;
use reqwest::StatusCode;
use serde_json::Value;

struct Image {
    content_type: String,
    bytes: Vec<u8>,
}

/// An image at an address below the server's root.
async fn image(app: &TestApp, path: &str) -> Image {
    let url = format!("http://{}{path}", app.addr());
    let answer = app.acme.http.get(url).bearer_auth(&app.acme.token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("cache-control"), "private");
    assert!(!header("x-request-id").is_empty());
    let content_type = header("content-type");
    Image { content_type, bytes: answer.bytes().await.unwrap().to_vec() }
}

/// Pixels, row by row; dark is 0.
struct Pixels {
    side: usize,
    grey: Vec<u8>,
}

impl Pixels {
    fn of_png(bytes: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut grey).unwrap();
        assert_eq!(frame.width, frame.height);
        let side = frame.width as usize;
        assert_eq!(grey.len(), side * side);
        Self { side, grey }
    }

    /// Draws the unit squares of the one path, eight pixels each.
    fn of_svg(svg: &str) -> Self {
        let (_, view_box) = svg.split_once("viewBox=\"0 0 ").unwrap();
        let modules: usize = view_box.split(' ').next().unwrap().parse().unwrap();
        let side = modules * 8;
        let mut grey = vec![255; side * side];
        let (_, path) = svg.split_once("<path d=\"M").unwrap();
        let path = path.split('"').next().unwrap();
        for square in path.split('M') {
            let corner = square.strip_suffix("h1v1h-1").unwrap();
            let (x, y) = corner.split_once(',').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            for row in y * 8..(y + 1) * 8 {
                grey[row * side + x * 8..row * side + (x + 1) * 8].fill(0);
            }
        }
        Self { side, grey }
    }

    fn decode(&self) -> String {
        let mut prepared =
            rqrr::PreparedImage::prepare_from_greyscale(self.side, self.side, |x, y| {
                self.grey[y * self.side + x]
            });
        let grids = prepared.detect_grids();
        assert_eq!(grids.len(), 1, "one code in the picture");
        grids[0].decode().unwrap().1
    }
}

async fn the_codes_read_as_the_link_s_lpa_profile(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let lpa = link["lpa_profile"].as_str().unwrap();
    assert!(lpa.starts_with("LPA:1$"));
    let path = link["qr_code_url"].as_str().unwrap();
    for (query, size) in [("", 512), ("?size=300", 300), ("?format=svg&size=2048", 2048)] {
        let Image { content_type, bytes } = image(app, &format!("{path}{query}")).await;
        assert_eq!(content_type, "image/svg+xml");
        let svg = String::from_utf8(bytes).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.contains(&format!("width=\"{size}\" height=\"{size}\"")));
        assert_eq!(Pixels::of_svg(&svg).decode(), lpa);
    }
    for (query, size) in [
        ("", 512),
        ("&size=128", 128),
        ("&size=129", 129),
        ("&size=301", 301),
        ("&size=2048", 2048),
    ] {
        let Image { content_type, bytes } = image(app, &format!("{path}?format=png{query}")).await;
        assert_eq!(content_type, "image/png");
        let pixels = Pixels::of_png(&bytes);
        assert_eq!(pixels.side, size);
        assert_eq!(pixels.decode(), lpa);
        assert!(bytes.len() < 32 * 1024, "{} bytes", bytes.len());
    }
    let by_iccid = format!("/v1/links/{}/qr-code?format=png", link["iccid"].as_str().unwrap());
    assert_eq!(Pixels::of_png(&image(app, &by_iccid).await.bytes).decode(), lpa);
}

async fn the_longest_activation_code_is_read_in_the_smallest_image(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let (address, token) = (format!("{}.example", "a".repeat(112)), "Z".repeat(128));
    app.sql(format!("UPDATE links SET smdp_address = '{address}', matching_id = '{token}'")).await;
    let shown = app.acme.show(&link).await;
    let lpa = shown["lpa_profile"].as_str().unwrap();
    assert_eq!(lpa.len(), 255);
    let path = link["qr_code_url"].as_str().unwrap();
    for size in [128, 256] {
        let png = image(app, &format!("{path}?format=png&size={size}")).await;
        assert_eq!(Pixels::of_png(&png.bytes).decode(), lpa, "{size}");
    }
}

async fn a_physical_sim_has_no_code(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    app.sql(
        "UPDATE links SET kind = 'physical', smdp_address = NULL, matching_id = NULL".to_owned(),
    )
    .await;
    let shown = app.acme.show(&link).await;
    for field in ["lpa_profile", "activation_url", "qr_code_url", "esim_profile"] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    app.acme.get(&format!("/links/{}/qr-code", id(&link))).await.fails(422, "INVALID_STATE");
}

async fn what_cannot_be_drawn_is_refused_by_field(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    for (query, field) in [
        ("format=gif", "format"),
        ("format=", "format"),
        ("format=PNG", "format"),
        ("size=127", "size"),
        ("size=2049", "size"),
        ("size=-1", "size"),
        ("size=1.5", "size"),
        ("size=99999999999", "size"),
        ("size=big", "size"),
        ("size=200&size=200", "size"),
    ] {
        app.acme.get(&format!("/links/{}/qr-code?{query}", id(&link))).await.names_field(field);
    }
    let answer = app.acme.put(&format!("/links/{}/qr-code", id(&link)), Value::Null).await;
    answer.fails(405, "METHOD_NOT_ALLOWED");
}

on_both! {
    AMPLE:
    the_codes_read_as_the_link_s_lpa_profile,
    the_longest_activation_code_is_read_in_the_smallest_image,
    a_physical_sim_has_no_code,
    what_cannot_be_drawn_is_refused_by_field,
}
