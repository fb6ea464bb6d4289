//! Futures in the turns of the event loop.
//!
//! A request that has to wait for nothing is answered within the call that brings it: [`answer`] runs it,
//! and what it wakes (the writer of its namespace), until all of them wait. Promises and microtasks
//! for each step would cost more than the steps. A future is polled in the turn of the object that woke it.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{
    StreamExt as _,
    future::{FutureExt as _, LocalBoxFuture},
    stream::FuturesUnordered,
};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Calls a microtask later.
    #[wasm_bindgen(js_name = quartzSoon)]
    fn soon(turn: &Closure<dyn FnMut()>);

    /// A promise, held by `module.js`, which fails it should the module die first.
    #[wasm_bindgen(js_name = QuartzPending)]
    type Pending;

    #[wasm_bindgen(constructor, js_class = QuartzPending)]
    fn new() -> Pending;

    #[wasm_bindgen(method)]
    fn keep(this: &Pending, value: JsValue);

    #[wasm_bindgen(method)]
    fn fail(this: &Pending, why: JsValue);
}

thread_local! {
    static TASKS: Tasks = Tasks::new();
}

/// Every future of the module.
struct Tasks {
    running: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    spawned: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    bell: Arc<Bell>,
    waker: Waker,
    turn: Closure<dyn FnMut()>,
    /// Of the turn that is or was taken.
    number: Cell<u64>,
    /// The time in this turn, once it was asked for.
    now: Cell<Option<u64>>,
}

/// Hears that a future can go on.
struct Bell(AtomicU8);

/// Nothing can go on.
const QUIET: u8 = 0;
/// A turn will come.
const RUNG: u8 = 1;
/// A turn is being taken.
const BUSY: u8 = 2;
/// Something could go on again while a turn was taken.
const BUSY_RUNG: u8 = 3;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.0.load(Ordering::Relaxed) {
            QUIET => {
                self.0.store(RUNG, Ordering::Relaxed);
                TASKS.with(|tasks| soon(&tasks.turn));
            }
            BUSY => self.0.store(BUSY_RUNG, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Tasks {
    fn new() -> Self {
        let bell = Arc::new(Bell(AtomicU8::new(QUIET)));
        Self {
            running: RefCell::default(),
            spawned: RefCell::default(),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            turn: Closure::new(|| TASKS.with(Self::take_turn)),
            number: Cell::default(),
            now: Cell::default(),
        }
    }

    /// Lets futures go on until all wait.
    fn take_turn(&self) {
        // Within a turn there is nothing to do: it goes on until all wait.
        let Ok(mut running) = self.running.try_borrow_mut() else {
            return;
        };
        self.number.set(self.number.get() + 1);
        self.now.set(None);
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.bell.0.store(BUSY, Ordering::Relaxed);
            running.extend(self.spawned.take());
            while let Poll::Ready(Some(())) = running.poll_next_unpin(&mut context) {}
            if self.bell.0.load(Ordering::Relaxed) == BUSY && self.spawned.borrow().is_empty() {
                break;
            }
        }
        self.bell.0.store(QUIET, Ordering::Relaxed);
    }
}

/// The number of the present turn; no other has it.
pub(crate) fn number() -> u64 {
    TASKS.with(|tasks| tasks.number.get())
}

/// Milliseconds since 1970. The clock of the platform stands still while a turn is taken, and to ask it is a crossing.
pub(crate) fn now_millis() -> u64 {
    TASKS.with(|tasks| {
        let is_in_turn = matches!(tasks.bell.0.load(Ordering::Relaxed), BUSY | BUSY_RUNG);
        let known = tasks.now.get().filter(|_| is_in_turn);
        let now = known.unwrap_or_else(|| js_sys::Date::now() as u64);
        tasks.now.set(Some(now));
        now
    })
}

/// Runs a future to its end, in the background.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    TASKS.with(|tasks| {
        tasks.spawned.borrow_mut().push(future.boxed_local());
        tasks.bell.wake_by_ref();
    });
}

/// What a future gives if it has to wait for nothing, else a [`Pending`].
///
/// # Errors
/// Those of the future.
pub(crate) fn answer(
    future: impl Future<Output = Result<JsValue, JsValue>> + 'static,
) -> Result<JsValue, JsValue> {
    let outcome = Rc::new(Cell::new(Outcome::Open));
    let answered = Rc::clone(&outcome);
    let task = async move {
        let result = future.await;
        match (answered.take(), result) {
            (Outcome::Owed(pending), Ok(value)) => pending.keep(value),
            (Outcome::Owed(pending), Err(why)) => pending.fail(why),
            (_, result) => answered.set(Outcome::Done(result)),
        }
    };
    TASKS.with(|tasks| {
        tasks.spawned.borrow_mut().push(task.boxed_local());
        tasks.take_turn();
    });
    if let Outcome::Done(result) = outcome.take() {
        return result;
    }
    let pending = Pending::new();
    let given = JsValue::from(&pending);
    outcome.set(Outcome::Owed(pending));
    Ok(given)
}

#[derive(Default)]
enum Outcome {
    #[default]
    Open,
    Done(Result<JsValue, JsValue>),
    Owed(Pending),
}
