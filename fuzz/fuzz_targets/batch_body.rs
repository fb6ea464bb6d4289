//! The body of a batch: the request with every field that any other request has.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| quartz_http::fuzzing::batch_body(body));
