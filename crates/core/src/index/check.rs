//! Proves that the stored index is what the stored vectors demand.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::{
    Index, Page, Role,
    code::Code,
    edit::{FIRST_MAX, MEMBERS_MAX},
    group::GROUP_MAX,
    sketch::Sketch,
};
use crate::{
    Metric,
    keys::{self, Kind, place::Place, trailing_ordinal},
    store::{Result, RowCursor, ScanLimit, Snapshot},
};

/// Compares the index with the vectors it must hold. Tells `fault` of each disagreement and gives the
/// number of rows it has read. Keeps 12 bytes a vector in memory.
///
/// # Errors
/// When the store fails, or a row is damaged beyond what can be told as a fault.
pub(crate) async fn check(
    snapshot: &dyn Snapshot,
    metric: Metric,
    dimension: usize,
    vectors: &RoaringBitmap,
    fault: &mut (dyn FnMut(String) + Send),
) -> Result<u64> {
    let index = Index::load(snapshot, metric, dimension, 0).await?;
    let mut rows = index.router.len() as u64;
    check_router(&index, fault);
    rows += check_sketches(snapshot, &index, vectors, fault).await?;
    let mut places = read_places(snapshot, vectors, &mut rows, fault).await?;
    for cluster in index.router.clusters() {
        check_cluster(snapshot, &index, cluster, &mut places, fault).await?;
    }
    for (ordinal, place) in places {
        for cluster in place.into_iter().flatten() {
            fault(format!("vector {ordinal} is not in cluster {cluster}"));
        }
    }
    rows += check_codes(snapshot, &index, fault).await?;
    Ok(rows)
}

fn check_router(index: &Index, fault: &mut (dyn FnMut(String) + Send)) {
    let mut groups = BTreeMap::<u32, usize>::new();
    for group in index
        .router
        .clusters()
        .filter_map(|cluster| index.router.group_of(cluster))
    {
        *groups.entry(group).or_default() += 1;
    }
    for (group, _) in groups
        .into_iter()
        .filter(|(_, members)| *members > GROUP_MAX)
    {
        fault(format!("group {group} has more than {GROUP_MAX} clusters"));
    }
}

/// Every vector has a sketch, and it is that of the vector.
async fn check_sketches(
    snapshot: &dyn Snapshot,
    index: &Index,
    vectors: &RoaringBitmap,
    fault: &mut (dyn FnMut(String) + Send),
) -> Result<u64> {
    let mut rows = 0;
    let mut missing = vectors.clone();
    let mut cursor = walk(snapshot, Kind::Sketch);
    while let Some(page) = cursor.next_page().await? {
        for (key, stored) in page {
            rows += 1;
            let ordinal = trailing_ordinal(&key)?;
            if !missing.remove(ordinal) {
                fault(format!("sketch {ordinal} belongs to no vector"));
                continue;
            }
            let vector =
                crate::vector::single(snapshot, ordinal, index.rotation.dimension()).await?;
            let Sketch { scale, codes, .. } = index.sketch(&vector);
            if stored != keys::sketch::encode(scale, &codes) {
                fault(format!("sketch {ordinal} is not that of its vector"));
            }
        }
    }
    for ordinal in missing {
        fault(format!("vector {ordinal} has no sketch"));
    }
    Ok(rows)
}

/// The clusters of each vector.
async fn read_places(
    snapshot: &dyn Snapshot,
    vectors: &RoaringBitmap,
    rows: &mut u64,
    fault: &mut (dyn FnMut(String) + Send),
) -> Result<BTreeMap<u32, [Option<u32>; 2]>> {
    let mut places = BTreeMap::new();
    let mut cursor = walk(snapshot, Kind::Place);
    while let Some(page) = cursor.next_page().await? {
        for (key, value) in page {
            *rows += 1;
            let ordinal = trailing_ordinal(&key)?;
            match Place::decode(&value) {
                Ok(place) => {
                    let clusters = [Some(place.primary), place.secondary];
                    places.insert(ordinal, clusters);
                }
                Err(why) => fault(format!("place {ordinal}: {why}")),
            }
            if !vectors.contains(ordinal) {
                fault(format!("place {ordinal} belongs to no vector"));
            }
        }
    }
    for ordinal in vectors
        .iter()
        .filter(|ordinal| !places.contains_key(ordinal))
    {
        fault(format!("vector {ordinal} has no place"));
    }
    Ok(places)
}

/// Every member of a cluster has its place there, and its code is that of its sketch. Takes the places
/// found out of `places`.
async fn check_cluster(
    snapshot: &dyn Snapshot,
    index: &Index,
    cluster: u32,
    places: &mut BTreeMap<u32, [Option<u32>; 2]>,
    fault: &mut (dyn FnMut(String) + Send),
) -> Result<()> {
    let dimension = index.rotation.padded();
    let page = Page::load(snapshot, cluster, dimension).await?;
    if page.first_len() > FIRST_MAX || page.len() > FIRST_MAX + MEMBERS_MAX {
        fault(format!("cluster {cluster} has {} members", page.len()));
    }
    let mut centroid = Vec::with_capacity(dimension);
    if let Some(sketch) = index.router.centroid(cluster) {
        sketch.expand(&mut centroid);
    }
    let mut expected = Page::default();
    for (position, ordinal) in page.ordinals().enumerate() {
        let role = page.role(position);
        let place = places
            .get_mut(&ordinal)
            .map(|place| &mut place[usize::from(role == Role::Second)])
            .filter(|place| **place == Some(cluster));
        match place {
            Some(place) => *place = None,
            None => fault(format!(
                "vector {ordinal} is in cluster {cluster} without a place there"
            )),
        }
        let mut codes = Vec::with_capacity(dimension);
        let stored = snapshot
            .get(&keys::sketch::key(ordinal))
            .await?
            .unwrap_or_default();
        let vector = match keys::sketch::decode_into(&stored, dimension, &mut codes) {
            Ok(scale) => Sketch::from_parts(scale, codes.into()),
            Err(why) => {
                fault(format!("sketch {ordinal}: {why}"));
                return Ok(());
            }
        };
        let mut components = Vec::with_capacity(dimension);
        vector.expand(&mut components);
        expected.push(
            ordinal,
            role,
            &Code::new(&components, &centroid, index.metric),
        );
    }
    if page != expected {
        fault(format!(
            "the codes of cluster {cluster} are not those of its members"
        ));
    }
    Ok(())
}

/// No codes belong to a cluster that is not there.
async fn check_codes(
    snapshot: &dyn Snapshot,
    index: &Index,
    fault: &mut (dyn FnMut(String) + Send),
) -> Result<u64> {
    let mut rows = 0;
    let mut cursor = walk(snapshot, Kind::Codes);
    while let Some(page) = cursor.next_page().await? {
        for (key, _) in page {
            rows += 1;
            let cluster = key.get(1..5).and_then(|bytes| bytes.first_chunk());
            let cluster = cluster.map(|bytes| u32::from_be_bytes(*bytes));
            if cluster
                .and_then(|cluster| index.router.group_of(cluster))
                .is_none()
            {
                fault(format!("codes {} belong to no cluster", key.escape_ascii()));
            }
        }
    }
    Ok(rows)
}

fn walk(snapshot: &dyn Snapshot, kind: Kind) -> RowCursor<'_> {
    RowCursor::new(snapshot, kind.key(&[]), kind.end(), ScanLimit::rows(1024))
}
