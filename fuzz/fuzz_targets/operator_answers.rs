//! Answers of the operator, read as those of each call; what goes to the log stays one short line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: (u16, &[u8], &[u8], &[u8])| {
    let (status, content_type, retry_after, body) = answer;
    let status = if status % 4 == 0 { 200 } else { 100 + status % 500 };
    for words in bappy::operator::fuzz::read(status, content_type, retry_after, body) {
        assert!(!words.contains('\n') && words.len() < 4_000, "{words}");
    }
});
