//! A cursor, as a client sends it back.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| quartz_http::fuzzing::cursor(text));
