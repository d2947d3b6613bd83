//! Draws a text as a QR code (ISO/IEC 18004). Called by `qr_code.rs`.
//!
//! **Invariant:** four modules of margin on each side, as the standard wants, and dark on white.

use fast_qr::convert::{Builder, Shape, svg::SvgBuilder};
use fast_qr::{ECL, QRBuilder, QRCode};

/// The quiet zone, in modules.
const MARGIN: usize = 4;

/// A text as modules.
pub(super) struct QrImage(QRCode);

impl QrImage {
    /// Of a text, with error correction for 15 % of it: a screen is flat and clean, a print may
    /// be scratched.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let code = QRBuilder::new(text).ecl(ECL::M).build();
        code.map(Self).map_err(|error| format!("a text that fits into no QR code: {error}"))
    }

    /// As SVG with sides of `size` pixels.
    pub(super) fn svg(&self, size: u32) -> String {
        let svg = SvgBuilder::default().margin(MARGIN).shape(Shape::Square).to_str(&self.0);
        // The library gives no size: viewers would fill their window.
        let sized = format!("<svg width=\"{size}\" height=\"{size}\" ");
        svg.replacen("<svg ", &sized, 1)
    }

    /// As PNG with sides of `size` pixels: each module the same number of them, the rest white. A
    /// code of more modules than that gets a pixel for each: it must be readable.
    pub(super) fn png(&self, size: u32) -> Result<Vec<u8>, png::EncodingError> {
        let modules = self.0.size;
        let width = usize::try_from(size).unwrap_or(usize::MAX).max(modules + 2 * MARGIN);
        let scale = width / (modules + 2 * MARGIN);
        let edge = (width - scale * modules) / 2;
        // One bit a pixel, the leftmost first, each row from a new byte; 1 is white.
        let row_bytes = width.div_ceil(8);
        let mut pixels = vec![0xff_u8; row_bytes * width];
        for y in 0..modules {
            let mut row = vec![0xff_u8; row_bytes];
            for x in (0..modules).filter(|x| self.0[y][*x].value()) {
                for pixel in (edge + x * scale..).take(scale) {
                    row[pixel / 8] &= !(0x80 >> (pixel % 8));
                }
            }
            let rows = pixels.chunks_exact_mut(row_bytes).skip(edge + y * scale).take(scale);
            rows.for_each(|same| same.copy_from_slice(&row));
        }
        let width = u32::try_from(width).unwrap_or(size);
        let mut image = Vec::new();
        let mut encoder = png::Encoder::new(&mut image, width, width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(image)
    }
}
