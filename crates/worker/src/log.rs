//! What the module has to say, as lines of the Worker's log; and its last words.

use std::{io, panic};

use tracing_subscriber::fmt::MakeWriter;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    fn console_log(line: &str);

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(line: &str);
}

/// Sends log lines and panics to where the platform keeps them. Called once an instance.
#[wasm_bindgen(start)]
fn start() {
    panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_max_level(tracing::Level::WARN)
        .with_writer(Console);
    // Fails only if it was done before.
    let _ = lines.try_init();
}

struct Console;

impl MakeWriter<'_> for Console {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(Vec::new())
    }
}

/// One event; sent when it is dropped.
struct Line(Vec<u8>);

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        console_log(String::from_utf8_lossy(&self.0).trim_end());
    }
}
