use axum::Extension;
use quartz_api::{NamespaceList, NamespaceSummary};
use quartz_core::namespace::ListRange;
use quartz_service::Grant;

use super::Reply;
use crate::{
    auth::Caller,
    cursor::List,
    extract::{PageParams, QueryString, check_prefix, page_limit},
    openapi::refuses,
    problem::{Place, Result, from_core},
    state::App,
};

refuses!(Refusals: InvalidRequest LimitExceeded CursorInvalid);

/// List namespaces
///
/// Ascending by name: those that the caller reaches.
#[utoipa::path(
    get,
    path = "/v1/namespaces",
    operation_id = "list_namespaces",
    tag = "Namespaces",
    params(PageParams),
    responses((status = 200, description = "A page of namespaces.", body = NamespaceList), Refusals),
)]
pub(crate) async fn list_namespaces(
    Extension(app): Extension<App>,
    caller: Caller,
    QueryString(params): QueryString<PageParams>,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    check_prefix(&params.prefix, &app.limits)?;
    let list = List {
        endpoint: "namespaces",
        namespace: "",
        prefix: &params.prefix,
    };
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| list.after(cursor))
        .transpose()?;
    let scope = caller.grant.account.scope();
    let mut namespaces = Vec::new();
    let mut more = false;
    for prefix in reached(&params.prefix, &caller.grant) {
        if more {
            break;
        }
        if after
            .as_deref()
            .is_some_and(|after| is_behind(prefix, after))
        {
            continue;
        }
        let range = ListRange {
            prefix: format!("{scope}{prefix}"),
            after: after.as_ref().map(|after| format!("{scope}{after}")),
            limit: limit - namespaces.len(),
        };
        let page = app.directory.list(&range).await;
        let page = page.map_err(|error| from_core(error, Place::Request))?;
        let own = |name: &str| caller.grant.reaches(&name[scope.len()..]);
        let items = page.items.into_iter().filter(|entry| own(&entry.name));
        namespaces.extend(items.map(|entry| NamespaceSummary {
            name: entry.name[scope.len()..].to_owned(),
            created_at: entry.created_at,
        }));
        more = page.next.is_some() || namespaces.len() == limit;
    }
    let last = namespaces.last().map(|namespace| &*namespace.name);
    let next_cursor = last.filter(|_| more).map(|name| list.cursor(name));
    Reply::json(&NamespaceList {
        namespaces,
        next_cursor,
    })
}

/// The prefixes, ascending and none in another, that together hold what `grant` reaches below `asked`.
fn reached<'a>(asked: &'a str, grant: &'a Grant) -> Vec<&'a str> {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !asked.bytes().all(named) {
        // No name begins so. In the directory, names of other accounts may.
        return Vec::new();
    }
    if let Some(scope) = &grant.scope {
        // The one namespace, and others that begin as it does are left out after.
        return Vec::from_iter(
            scope
                .namespace
                .starts_with(asked)
                .then_some(&*scope.namespace),
        );
    }
    if grant.prefixes.is_empty() {
        return vec![asked];
    }
    let narrowed = grant.prefixes.iter().filter_map(|own| {
        match (asked.starts_with(&**own), own.starts_with(asked)) {
            (true, _) => Some(asked),
            (false, true) => Some(&**own),
            (false, false) => None,
        }
    });
    let mut prefixes: Vec<_> = narrowed.collect();
    prefixes.sort_unstable();
    prefixes.dedup_by(|next, kept| next.starts_with(*kept));
    prefixes
}

/// Whether every name with the prefix comes before `after`.
fn is_behind(prefix: &str, after: &str) -> bool {
    prefix < after && !after.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_that_are_reached() {
        let grant = |prefixes: &[&str]| {
            let mut grant = Grant::nothing();
            grant.prefixes = prefixes.iter().map(|&prefix| prefix.into()).collect();
            grant
        };
        assert_eq!(reached("", &grant(&[])), [""]);
        assert_eq!(reached("a", &grant(&[])), ["a"]);
        assert_eq!(reached("~", &grant(&[])), [""; 0]);
        assert_eq!(reached("", &grant(&["b", "a", "ab"])), ["a", "b"]);
        assert_eq!(reached("ab", &grant(&["b", "a"])), ["ab"]);
        assert_eq!(reached("a", &grant(&["abc", "ad", "b"])), ["abc", "ad"]);
        assert_eq!(reached("c", &grant(&["a"])), [""; 0]);
        assert!(is_behind("a", "b") && !is_behind("a", "ab") && !is_behind("b", "a"));
    }
}
