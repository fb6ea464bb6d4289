//! The list of accounts that live elsewhere, each in a store of its own. An account enters it before it is
//! created and leaves it after it is erased, so none is ever missing; what was cut off between is seen by its
//! stage.

use std::sync::Arc;

use quartz_core::store::{Batch, Durability, Result, ScanLimit, Store, StoreError, prefix_end};

use crate::{
    AccountId,
    accounts::id_behind,
    rows::{
        self, ROLL,
        enrolled::{self, Stage, StoredEnrolment},
    },
};

/// Accounts of a page at most: each is asked what it is.
const PAGE: usize = 32;
/// Rows that one look at the unsettled takes.
const ROWS: usize = 1_024;
/// How long an account may take to come: longer than any request.
const COMING_MILLIS: u64 = 15 * 60 * 1000;

/// The list.
pub(crate) struct Roll(pub(crate) Arc<dyn Store>);

impl Roll {
    /// Notes how far an account is; at no stage, it is gone.
    pub(crate) async fn enrol(
        &self,
        account: AccountId,
        stage: Option<Stage>,
        now: u64,
    ) -> Result<()> {
        let mut batch = Batch::default();
        let key = enrolled::key(account);
        match stage {
            None => batch.delete(key),
            Some(stage) => {
                let enrolment = StoredEnrolment { stage, since: now };
                batch.put(key, rows::encode(&enrolment));
            }
        }
        self.0.commit(batch, Durability::Disk).await
    }

    /// A page of ids, ascending, and whether there are more. The first account, which is always there, has no
    /// row.
    pub(crate) async fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<AccountId>, bool)> {
        let limit = limit.clamp(1, PAGE);
        let page = self.page(after, limit).await?;
        let mut ids: Vec<_> = page.0.iter().map(|(id, _)| *id).collect();
        let root = AccountId::ROOT;
        let mut more = page.1;
        let is_within = !more || ids.last().is_some_and(|last| root < *last);
        if is_within && after.is_none_or(|after| after < root) {
            ids.push(root);
            ids.sort_unstable();
            more |= ids.len() > limit;
            ids.truncate(limit);
        }
        Ok((ids, more))
    }

    /// Accounts of a slice after `after` that are coming for too long or closing, and where the next slice
    /// begins, if there is one.
    pub(crate) async fn unsettled(
        &self,
        after: Option<AccountId>,
        now: u64,
    ) -> Result<(Vec<AccountId>, Option<AccountId>)> {
        let (page, more) = self.page(after, ROWS).await?;
        let next = page.last().map(|(id, _)| *id).filter(|_| more);
        let unsettled = page.into_iter().filter(|(_, one)| match one.stage {
            Stage::There => false,
            Stage::Closing => true,
            Stage::Coming => one.since.saturating_add(COMING_MILLIS) <= now,
        });
        Ok((unsettled.map(|(id, _)| id).collect(), next))
    }

    async fn page(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<(Vec<(AccountId, StoredEnrolment)>, bool)> {
        let start = match after {
            Some(after) => prefix_end(&enrolled::key(after)),
            None => ROLL.to_vec(),
        };
        let snapshot = self.0.snapshot().await?;
        let limit = ScanLimit::rows(limit);
        let page = snapshot.scan(&start, &prefix_end(ROLL), limit).await?;
        let row = |(key, value): &(bytes::Bytes, bytes::Bytes)| {
            Ok::<_, StoreError>((id_behind(ROLL, key)?, rows::decode(key, value)?))
        };
        let listed = page.rows.iter().map(row).collect::<Result<_>>()?;
        Ok((listed, page.more))
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use quartz_core::store::MemoryStore;

    use super::*;

    fn id(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    fn roll(ids: &[&str]) -> Roll {
        let roll = Roll(Arc::new(MemoryStore::default()));
        for one in ids {
            block_on(roll.enrol(id(one), Some(Stage::There), 0)).unwrap();
        }
        roll
    }

    #[test]
    fn pages_hold_each_account_once_and_the_first_one_too() {
        for ids in [&["a", "b", "s", "z"][..], &["s", "z"], &["a", "b"], &[]] {
            let roll = roll(ids);
            let mut all: Vec<_> = ids.iter().map(|one| id(one)).collect();
            all.push(AccountId::ROOT);
            all.sort_unstable();
            for limit in 1..6 {
                let (mut listed, mut after) = (Vec::new(), None);
                loop {
                    let (page, more) = block_on(roll.list(after, limit)).unwrap();
                    assert!(page.len() <= limit);
                    listed.extend_from_slice(&page);
                    after = page.last().copied();
                    if !more {
                        break;
                    }
                }
                assert_eq!(listed, all, "{ids:?} by {limit}");
            }
        }
    }

    #[test]
    fn what_was_cut_off_is_found() {
        let roll = roll(&["a", "b"]);
        let enrol = |one, stage, at| block_on(roll.enrol(id(one), stage, at)).unwrap();
        enrol("b", Some(Stage::Closing), 5);
        enrol("c", Some(Stage::Coming), 5);
        let unsettled = |now| block_on(roll.unsettled(None, now)).unwrap();
        assert_eq!(unsettled(6), (vec![id("b")], None));
        assert_eq!(unsettled(COMING_MILLIS + 5), (vec![id("b"), id("c")], None));
        enrol("b", None, 7);
        enrol("c", Some(Stage::There), 7);
        assert_eq!(unsettled(u64::MAX), (vec![], None));
        assert_eq!(
            block_on(roll.list(None, 9)).unwrap().0,
            [id("a"), id("c"), AccountId::ROOT]
        );
    }
}
