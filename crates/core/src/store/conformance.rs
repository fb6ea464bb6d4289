//! What every engine must pass: call [`run`] with a way to make an empty store.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Batch, Durability, Page, Result, RowCursor, ScanLimit, Snapshot, Store, prefix_end, successor,
};

/// Runs every check, each on a fresh store from `make`.
///
/// # Errors
/// Whatever the engine answers with an error.
///
/// # Panics
/// When the engine breaks a promise of [`Store`] or [`Snapshot`].
pub async fn run<S: Store>(mut make: impl FnMut() -> S) -> Result<()> {
    missing_keys(&make()).await?;
    put_get_replace_delete(&make()).await?;
    many_keys_at_once(&make()).await?;
    later_operations_win(&make()).await?;
    scans_are_ordered_and_bounded(&make()).await?;
    snapshots_do_not_change(&make()).await?;
    concurrent_commits_all_land(Arc::new(make())).await?;
    large_and_odd_values(&make()).await?;
    random_operations_match_a_map(&make()).await
}

const ALL: ScanLimit = ScanLimit {
    rows: usize::MAX,
    bytes: usize::MAX,
};

async fn put(store: &dyn Store, rows: &[(&str, &str)]) -> Result<()> {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put(key.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    store.commit(batch, Durability::Disk).await
}

async fn get(store: &dyn Store, key: &str) -> Result<Option<Bytes>> {
    store.snapshot().await?.get(key.as_bytes()).await
}

fn keys(page: &Page) -> Vec<String> {
    page.rows
        .iter()
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect()
}

async fn missing_keys(store: &dyn Store) -> Result<()> {
    assert_eq!(get(store, "nothing").await?, None);
    let snapshot = store.snapshot().await?;
    assert_eq!(snapshot.scan(b"", b"", ALL).await?, Page::default());
    store.commit(Batch::default(), Durability::Disk).await
}

async fn put_get_replace_delete(store: &dyn Store) -> Result<()> {
    put(store, &[("a", "1"), ("b", "2")]).await?;
    assert_eq!(get(store, "a").await?.as_deref(), Some(&b"1"[..]));
    put(store, &[("a", "")]).await?;
    assert_eq!(
        get(store, "a").await?.as_deref(),
        Some(&b""[..]),
        "an empty value is a value"
    );
    let mut batch = Batch::default();
    batch.delete(&b"a"[..]);
    batch.delete(&b"never there"[..]);
    store.commit(batch, Durability::Memory).await?;
    assert_eq!(get(store, "a").await?, None);
    assert_eq!(get(store, "b").await?.as_deref(), Some(&b"2"[..]));
    Ok(())
}

async fn many_keys_at_once(store: &dyn Store) -> Result<()> {
    let names: Vec<_> = (0..300).map(|number| format!("{number:03}")).collect();
    let rows: Vec<_> = names.iter().map(|name| (&name[..], &name[..])).collect();
    put(store, &rows).await?;
    let before = store.snapshot().await?;
    put(store, &[("007", "new")]).await?;
    let mut batch = Batch::default();
    batch.delete(&b"008"[..]);
    store.commit(batch, Durability::Disk).await?;
    let after = store.snapshot().await?;
    let of = |snapshot: Arc<dyn Snapshot>, names: &[&str]| {
        let keys: Vec<_> = names
            .iter()
            .map(|name| Bytes::copy_from_slice(name.as_bytes()))
            .collect();
        async move { snapshot.get_many(&keys).await }
    };
    let bytes = |text: &'static str| Some(Bytes::from(text));
    assert_eq!(of(after.clone(), &[]).await?, []);
    assert_eq!(
        of(before, &["008", "none", "007", "008"]).await?,
        [bytes("008"), None, bytes("007"), bytes("008")]
    );
    assert_eq!(
        of(after.clone(), &["008", "007", "", "299"]).await?,
        [None, bytes("new"), None, bytes("299")]
    );
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    let found = of(after, &all).await?.into_iter().flatten();
    assert_eq!(found.count(), 299);
    Ok(())
}

async fn later_operations_win(store: &dyn Store) -> Result<()> {
    let mut batch = Batch::default();
    batch.put(&b"x"[..], &b"1"[..]);
    batch.delete(&b"x"[..]);
    batch.put(&b"y"[..], &b"1"[..]);
    batch.put(&b"y"[..], &b"2"[..]);
    batch.delete(&b"z"[..]);
    batch.put(&b"z"[..], &b"3"[..]);
    store.commit(batch, Durability::Disk).await?;
    assert_eq!(get(store, "x").await?, None);
    assert_eq!(get(store, "y").await?.as_deref(), Some(&b"2"[..]));
    assert_eq!(get(store, "z").await?.as_deref(), Some(&b"3"[..]));
    Ok(())
}

async fn scans_are_ordered_and_bounded(store: &dyn Store) -> Result<()> {
    put(
        store,
        &[
            ("b", "2"),
            ("a", "1"),
            ("aa", "x"),
            ("c", "3"),
            ("b\u{0}", "y"),
        ],
    )
    .await?;
    let snapshot = store.snapshot().await?;
    let page = snapshot.scan(b"", b"", ALL).await?;
    assert_eq!(keys(&page), ["a", "aa", "b", "b\u{0}", "c"]);
    assert!(!page.more);
    assert_eq!(
        keys(&snapshot.scan(b"aa", b"c", ALL).await?),
        ["aa", "b", "b\u{0}"]
    );
    assert_eq!(
        keys(&snapshot.scan(b"b", &successor(b"b"), ALL).await?),
        ["b"]
    );
    assert_eq!(
        keys(&snapshot.scan(b"a", &prefix_end(b"a"), ALL).await?),
        ["a", "aa"]
    );
    assert_eq!(
        keys(&snapshot.scan(b"c", b"a", ALL).await?),
        [""; 0],
        "an inverted range is empty"
    );
    let page = snapshot.scan(b"", b"", ScanLimit::rows(2)).await?;
    assert_eq!((keys(&page).len(), page.more), (2, true));
    let page = snapshot
        .scan(b"", b"", ScanLimit { rows: 10, bytes: 1 })
        .await?;
    assert_eq!(
        (keys(&page), page.more),
        (vec!["a".to_owned()], true),
        "at least one row"
    );

    let mut cursor = RowCursor::new(&*snapshot, Vec::new(), Vec::new(), ScanLimit::rows(2));
    let mut seen = 0;
    while let Some(rows) = cursor.next_page().await? {
        seen += rows.len();
    }
    assert_eq!(seen, 5);
    Ok(())
}

async fn snapshots_do_not_change(store: &dyn Store) -> Result<()> {
    put(store, &[("a", "1"), ("b", "2")]).await?;
    let before = store.snapshot().await?;
    put(store, &[("a", "9"), ("c", "3")]).await?;
    let mut batch = Batch::default();
    batch.delete(&b"b"[..]);
    store.commit(batch, Durability::Disk).await?;
    assert_eq!(before.get(b"a").await?.as_deref(), Some(&b"1"[..]));
    assert_eq!(keys(&before.scan(b"", b"", ALL).await?), ["a", "b"]);
    let after = store.snapshot().await?;
    assert_eq!(after.get(b"a").await?.as_deref(), Some(&b"9"[..]));
    assert_eq!(keys(&after.scan(b"", b"", ALL).await?), ["a", "c"]);
    Ok(())
}

async fn concurrent_commits_all_land(store: Arc<dyn Store>) -> Result<()> {
    let commits = (0..200_u32).map(|number| {
        let mut batch = Batch::default();
        batch.put(format!("left/{number:03}"), number.to_be_bytes().to_vec());
        batch.put(format!("right/{number:03}"), number.to_be_bytes().to_vec());
        store.commit(batch, Durability::Disk)
    });
    futures::future::try_join_all(commits).await?;
    let snapshot = store.snapshot().await?;
    let left = snapshot.scan(b"left/", b"left0", ALL).await?;
    let right = snapshot.scan(b"right/", b"right0", ALL).await?;
    assert_eq!((left.rows.len(), right.rows.len()), (200, 200));
    Ok(())
}

async fn large_and_odd_values(store: &dyn Store) -> Result<()> {
    let large = vec![0xA5; 4 << 20];
    let key = [0_u8, 255, 0, 254];
    let mut batch = Batch::default();
    batch.put(key.to_vec(), large.clone());
    batch.put(vec![255; 600], vec![0; 3]);
    store.commit(batch, Durability::Disk).await?;
    let snapshot = store.snapshot().await?;
    assert_eq!(snapshot.get(&key).await?.as_deref(), Some(&large[..]));
    assert_eq!(
        snapshot.get(&[255; 600]).await?.as_deref(),
        Some(&[0, 0, 0][..])
    );
    assert_eq!(snapshot.scan(&[255], b"", ALL).await?.rows.len(), 1);
    Ok(())
}

/// A fixed pseudo-random sequence (SplitMix64), so that a failure repeats.
fn pseudo_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

async fn random_operations_match_a_map(store: &dyn Store) -> Result<()> {
    let mut state = 7;
    let mut model = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    for round in 0..120_u32 {
        let mut batch = Batch::default();
        for _ in 0..pseudo_random(&mut state) % 12 {
            let key = format!("k{:02}", pseudo_random(&mut state) % 60).into_bytes();
            if pseudo_random(&mut state).is_multiple_of(3) {
                model.remove(&key);
                batch.delete(key);
            } else {
                let value = vec![round as u8; (pseudo_random(&mut state) % 3000) as usize];
                model.insert(key.clone(), value.clone());
                batch.put(key, value);
            }
        }
        store.commit(batch, Durability::Memory).await?;
        if round % 10 == 9 {
            assert_same(&*store.snapshot().await?, &model).await?;
        }
    }
    Ok(())
}

async fn assert_same(snapshot: &dyn Snapshot, model: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    let page = snapshot.scan(b"", b"", ALL).await?;
    assert_eq!(page.rows.len(), model.len());
    for ((key, value), (model_key, model_value)) in page.rows.iter().zip(model) {
        assert_eq!((&key[..], &value[..]), (&model_key[..], &model_value[..]));
        assert_eq!(snapshot.get(key).await?.as_ref(), Some(value));
    }
    Ok(())
}
