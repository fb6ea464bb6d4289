//! What others must know of a namespace: its account, and its partitions.
//!
//! They follow the namespace. What they were last told is a row here; whenever the namespace is something
//! else they are told again, before the answer or, after a failure, by the alarm. Telling twice does no harm.

use std::cell::Cell;

use futures::lock::Mutex;
use js_sys::{Array, Promise, Uint8Array};
use quartz_core::{keys::meta::Meta, namespace::Namespace};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::sql::{Sql, Statement};

#[wasm_bindgen]
extern "C" {
    /// The other objects, as that of a namespace sees them; see `entry.js`.
    #[wasm_bindgen(extends = js_sys::Object)]
    pub type Others;

    /// Has the account list the namespace.
    #[wasm_bindgen(method, catch)]
    fn enter(this: &Others, created_at: f64) -> Result<Promise, JsValue>;

    /// Has the account forget the namespace.
    #[wasm_bindgen(method, catch)]
    fn leave(this: &Others) -> Result<Promise, JsValue>;

    /// Creates the partitions of a namespace of that time, if they are not there.
    #[wasm_bindgen(method, catch)]
    fn found(
        this: &Others,
        created_at: f64,
        partitions: u16,
        meta: &Uint8Array,
    ) -> Result<Promise, JsValue>;

    /// Deletes the partitions of a namespace of that time.
    #[wasm_bindgen(method, catch)]
    fn dissolve(this: &Others, created_at: f64, partitions: u16) -> Result<Promise, JsValue>;
}

/// A namespace, as far as others care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Founded {
    /// Milliseconds since 1970. With the name, it tells a namespace from those before and after it.
    pub(crate) created_at: u64,
    pub(crate) partitions: u16,
}

impl Founded {
    /// `None` if the namespace does not exist.
    pub(crate) fn of(namespace: &Namespace) -> Option<Self> {
        Some(Self {
            created_at: namespace.created_at()?,
            partitions: namespace.view().config().partitions.get(),
        })
    }
}

/// The listing of one namespace.
pub(crate) struct Listing {
    others: Others,
    sql: Sql,
    /// What the others know.
    known: Cell<Option<Founded>>,
    /// Held while they are told something.
    pub(crate) turn: Mutex<()>,
}

impl Listing {
    pub(crate) fn open(sql: &Sql, others: Others) -> Result<Self, JsValue> {
        let find = Statement::new("SELECT 1 FROM sqlite_master WHERE name = 'listing'");
        let mut known = None;
        if sql.exec(&find, &Array::new())?.only()?.is_some() {
            let read = Statement::new("SELECT created_at, partitions FROM listing");
            known = sql.exec(&read, &Array::new())?.only()?.map(|row| Founded {
                created_at: row.number(0) as u64,
                partitions: row.number(1) as u16,
            });
        }
        Ok(Self {
            others,
            sql: sql.clone(),
            known: Cell::new(known),
            turn: Mutex::new(()),
        })
    }

    /// Whether the others know something else.
    pub(crate) fn is_due(&self, founded: Option<Founded>) -> bool {
        self.known.get() != founded
    }

    /// Tells the others. `namespace` is the one that was founded, if there is one.
    pub(crate) async fn tell(&self, namespace: Option<&Namespace>) -> Result<(), JsValue> {
        let founded = namespace.and_then(Founded::of);
        if let Some(former) = self.known.get().filter(|former| former.partitions > 1) {
            let dissolved = self
                .others
                .dissolve(former.created_at as f64, former.partitions)?;
            JsFuture::from(dissolved).await?;
        }
        let told = match (founded, namespace) {
            (Some(founded), Some(namespace)) => {
                let at = founded.created_at as f64;
                if founded.partitions > 1 {
                    let meta = Meta {
                        config: namespace.view().config(),
                        ..Meta::default()
                    };
                    let meta = Uint8Array::from(&meta.encode()[..]);
                    JsFuture::from(self.others.found(at, founded.partitions, &meta)?).await?;
                }
                self.others.enter(at)?
            }
            _ => self.others.leave()?,
        };
        JsFuture::from(told).await?;
        self.remember(founded)
    }

    fn remember(&self, founded: Option<Founded>) -> Result<(), JsValue> {
        let run = |text: &str, values: &Array| self.sql.run(&Statement::new(text), values);
        self.sql.atomically(|| {
            run(
                "CREATE TABLE IF NOT EXISTS listing (created_at INTEGER, partitions INTEGER)",
                &Array::new(),
            )?;
            run("DELETE FROM listing", &Array::new())?;
            match founded {
                None => Ok(()),
                Some(Founded {
                    created_at,
                    partitions,
                }) => run(
                    "INSERT INTO listing VALUES (?, ?)",
                    &Array::of2(&JsValue::from_f64(created_at as f64), &partitions.into()),
                ),
            }
        })?;
        self.known.set(founded);
        Ok(())
    }
}
