//! QuartzDB on Cloudflare: a front Worker, and Durable Objects that run the router over their SQLite.
//!
//! `entry.js` is what the platform calls. It forwards a request, unparsed, to the object of its namespace,
//! and there hands it to this module, which is WebAssembly (`exchange.js`), and starts it anew should it die
//! (`module.js`). One object holds one namespace; one an account lists its namespaces; and one more, the registry,
//! lists the accounts and keeps the people.
//!
//! What runs without the platform is compiled and tested on every host.

pub mod nowhere;
pub mod rows;
pub mod undo;

#[cfg(target_arch = "wasm32")]
mod courier;
#[cfg(target_arch = "wasm32")]
mod deliveries;
#[cfg(target_arch = "wasm32")]
mod exchange;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod front;
#[cfg(target_arch = "wasm32")]
mod gate;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod listing;
#[cfg(target_arch = "wasm32")]
mod log;
#[cfg(target_arch = "wasm32")]
mod mail;
#[cfg(target_arch = "wasm32")]
mod object;
#[cfg(target_arch = "wasm32")]
mod peers;
#[cfg(target_arch = "wasm32")]
mod settings;
#[cfg(target_arch = "wasm32")]
pub mod sql;
#[cfg(target_arch = "wasm32")]
mod sso;
#[cfg(target_arch = "wasm32")]
mod sso_key;
#[cfg(target_arch = "wasm32")]
pub mod store;
#[cfg(target_arch = "wasm32")]
mod table;
#[cfg(target_arch = "wasm32")]
mod turn;
#[cfg(target_arch = "wasm32")]
mod usage;
