use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

/// A place on this machine that webhooks lead to.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Where it takes messages.
    pub url: String,
    messages: Arc<Mutex<Vec<Received>>>,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path that was asked for.
    pub path: String,
    /// Names, in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Receiver {
    /// Answers the first messages by these heads, as `500 Sorry`, and all others by `204`.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(first: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self {
            url: format!("http://{address}/hook"),
            messages: Arc::default(),
        };
        let messages = Arc::clone(&receiver.messages);
        thread::spawn(move || {
            let mut heads = first.iter();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let Some(message) = read(&mut BufReader::new(&stream)) else {
                    continue;
                };
                messages.lock().expect("no panic").push(message);
                let head = heads.next().unwrap_or(&"204 No Content");
                let answer =
                    format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                // What the sender makes of it is what the tests look at.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        receiver
    }

    /// What has come up to now.
    ///
    /// # Panics
    /// If the receiver has.
    #[must_use]
    pub fn messages(&self) -> Vec<Received> {
        self.messages.lock().expect("no panic").clone()
    }
}

fn read(stream: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut message = Received {
        path,
        headers,
        body: Vec::new(),
    };
    let length = message.header("content-length").parse().ok()?;
    stream.take(length).read_to_end(&mut message.body).ok()?;
    Some(message)
}
