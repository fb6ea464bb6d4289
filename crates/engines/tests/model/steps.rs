use std::{ops::Bound, sync::Arc};

use proptest::prelude::*;
use quartz_core::{
    filter::{Filter, Scalar},
    namespace::{
        Action, Change, Contents, Effort, Expiry, Idempotency, Operation, Patch, Precondition,
        Query, Target, Write,
    },
    record::{Field, Metadata, Parts, Value},
    store::Durability,
};

use crate::faulty::Fault;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes that are sent at once, and what goes wrong meanwhile.
    Write(Vec<Write>, Option<Fault>),
    Advance(u64),
    Query(Query),
    Count(Filter),
    Reopen,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop::collection::vec(write(), 1..5), prop::option::weighted(0.15, fault()))
            .prop_map(|(writes, fault)| Step::Write(writes, fault)),
        1 => (1..2000_u64).prop_map(Step::Advance),
        2 => query().prop_map(Step::Query),
        1 => filter().prop_map(Step::Count),
        1 => Just(Step::Reopen),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::BeforeCommit),
        Just(Fault::AfterCommit),
        (0..12_u8).prop_map(Fault::Read),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let idempotency = (0..3_u8, 0..2_u8).prop_map(|(key, digest)| Idempotency {
        key: format!("key{key}"),
        fingerprint: [digest; 16],
    });
    (change(), prop::option::weighted(0.1, idempotency)).prop_map(|(change, idempotency)| Write {
        idempotency: idempotency
            .filter(|_| !matches!(change, Change::Sweep { .. } | Change::Tend { .. })),
        change,
        durability: Durability::Disk,
        payer: None,
        most_units: None,
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        10 => prop::collection::vec(operation(), 0..5).prop_map(Change::Apply),
        1 => (filter(), patch()).prop_map(|(filter, patch)| {
            let patch = Patch { vector: None, ..patch };
            Change::UpdateWhere { filter, patch, after: None, limit: 1000 }
        }),
        1 => filter().prop_map(|filter| Change::DeleteWhere { filter, limit: 1000 }),
        1 => (1..5_usize).prop_map(|limit| Change::Sweep { limit }),
        1 => (1..5_usize).prop_map(|clusters| Change::Tend { clusters }),
    ]
}

fn id() -> impl Strategy<Value = String> {
    (0..12_u8).prop_map(|number| format!("id{number}"))
}

fn operation() -> impl Strategy<Value = Operation> {
    let precondition = prop_oneof![
        12 => Just(Precondition::None),
        1 => Just(Precondition::Exists),
        1 => Just(Precondition::Absent),
        1 => (0..20_u64).prop_map(Precondition::Version),
        1 => filter().prop_map(|filter| Precondition::SkipUnless(Arc::new(filter))),
    ];
    let action = prop_oneof![
        1 => Just(Action::Check),
        3 => (value(), expiry()).prop_map(|(value, expiry)| Action::Put(value, expiry)),
        6 => contents().prop_map(Action::Upsert),
        2 => patch().prop_map(Action::Patch),
        3 => Just(Action::Delete),
    ];
    (id(), precondition, action).prop_map(|(id, precondition, action)| Operation {
        id,
        precondition,
        action,
    })
}

fn value() -> impl Strategy<Value = Value> {
    // Some inline, some with a row of their own.
    (
        prop_oneof![4 => 0..20_usize, 1 => 4090..4200_usize],
        any::<u8>(),
    )
        .prop_map(|(len, byte)| Value {
            content_type: "text/plain".into(),
            bytes: vec![byte; len].into(),
        })
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![4 => Just(Expiry::Keep), 1 => (1..3000_u64).prop_map(Expiry::After)]
}

/// Few different vectors, so that scores tie; now and then one of the wrong dimension, or zero.
fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        20 => prop::array::uniform3(-2..3_i8).prop_map(|v| v.map(f32::from).to_vec()),
        1 => Just(vec![1.0; 4]),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        any::<bool>().prop_map(Field::Bool),
        (-4..5_i8).prop_map(|number| Field::Number(f64::from(number) / 2.0)),
        "[xyz]".prop_map(Field::String),
        Just(Field::String("long ".repeat(20))),
        prop::collection::vec("[xyz]", 0..3).prop_map(Field::Strings),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab"]).prop_map(str::to_owned)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    prop::collection::btree_map(name(), field(), 0..4)
}

fn contents() -> impl Strategy<Value = Contents> {
    let some = prop::option::weighted::<BoxedStrategy<Vec<f32>>>;
    (
        prop::option::of(value()),
        prop::option::of("[a-z]{0,5}"),
        metadata(),
        some(0.7, vector().boxed()),
        expiry(),
    )
        .prop_map(|(value, text, metadata, vector, expiry)| Contents {
            value,
            text,
            metadata,
            vector,
            expiry,
        })
}

fn patch() -> impl Strategy<Value = Patch> {
    let fields = prop::collection::vec((name(), prop::option::of(field())), 0..3);
    (
        prop::option::of(value()),
        fields,
        prop::option::weighted(0.3, vector()),
        expiry(),
    )
        .prop_map(|(value, metadata, vector, expiry)| Patch {
            value,
            metadata,
            vector,
            expiry,
            ..Patch::default()
        })
}

fn filter() -> impl Strategy<Value = Filter> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        (-4..5_i8).prop_map(|number| Scalar::Number(f64::from(number) / 2.0)),
        "[xyz]".prop_map(Scalar::String),
        Just(Scalar::String("long ".repeat(20))),
    ];
    let bound = || {
        prop_oneof![
            Just(Bound::Unbounded),
            (-4..5_i8).prop_map(|number| Bound::Included(f64::from(number) / 2.0)),
            (-4..5_i8).prop_map(|number| Bound::Excluded(f64::from(number) / 2.0)),
        ]
    };
    let leaf = prop_oneof![
        Just(Filter::All(vec![])),
        name().prop_map(Filter::Exists),
        (name(), scalar.clone()).prop_map(|(name, scalar)| Filter::Equal(name, scalar)),
        (name(), prop::collection::vec(scalar, 0..3))
            .prop_map(|(name, scalars)| Filter::OneOf(name, scalars)),
        (name(), bound(), bound()).prop_map(|(name, low, high)| Filter::Range(name, low, high)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let target = prop_oneof![
        vector().prop_map(Target::Vector),
        id().prop_map(Target::Record)
    ];
    (target, 1..8_usize, prop::option::of(filter())).prop_map(|(target, top_k, filter)| Query {
        target,
        top_k,
        filter,
        parts: Parts::ALL,
        effort: Effort::default(),
    })
}
