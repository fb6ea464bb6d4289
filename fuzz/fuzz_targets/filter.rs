//! The text of a filter, as it stands in a request.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| quartz_http::fuzzing::filter(text));
