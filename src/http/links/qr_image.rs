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

    /// As PNG with sides of `size` pixels: each module the same number of them, the rest white.
    pub(super) fn png(&self, size: u32) -> Result<Vec<u8>, png::EncodingError> {
        let side = usize::try_from(size).unwrap_or(usize::MAX);
        let modules = self.0.size + 2 * MARGIN;
        let scale = (side / modules).max(1);
        let edge = side.saturating_sub(scale * self.0.size) / 2;
        let module = |pixel: usize| pixel.checked_sub(edge).map(|pixel| pixel / scale);
        let is_dark = |x: usize, y: usize| match (module(x), module(y)) {
            (Some(x), Some(y)) if x < self.0.size && y < self.0.size => self.0[y][x].value(),
            _ => false,
        };
        // One bit a pixel, the leftmost first, each row from a new byte; 1 is white.
        let mut pixels = vec![0xff_u8; side.div_ceil(8) * side];
        for y in 0..side {
            for x in (0..side).filter(|x| is_dark(*x, y)) {
                if let Some(byte) = pixels.get_mut(y * side.div_ceil(8) + x / 8) {
                    *byte &= !(0x80 >> (x % 8));
                }
            }
        }
        let mut image = Vec::new();
        let mut encoder = png::Encoder::new(&mut image, size, size);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(image)
    }
}
