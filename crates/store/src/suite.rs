//! The conformance suite: every store passes it.

use bytes::Bytes;

use crate::error::{Error, Kind};
use crate::object::{Acl, Put, sha1_of};
use crate::store::Store;

fn plain(data: &[u8], overwrite: bool) -> Put {
    Put::new(sha1_of(data), Acl::Unsaid).with_overwrite(overwrite)
}

/// Runs all of it, below `prefix`, where there are no objects yet.
///
/// # Errors
/// The rule that the store breaks, in a sentence.
pub async fn run(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let name = |text: &str| format!("{prefix}{text}");
    keeps(store, &name("keeps/")).await?;
    refuses(store, &name("refuses/")).await?;
    lists(store, &name("lists/")).await?;
    copies(store, &name("copies/")).await?;
    Ok(())
}

fn told<T>(what: &str, result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn expect(what: &str, is_so: bool) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_owned()) }
}

fn expect_kind<T>(what: &str, result: Result<T, Error>, kind: &Kind) -> Result<(), String> {
    match result {
        Ok(_) => Err(format!("{what}: it worked")),
        Err(error) if error.kind == *kind => Ok(()),
        Err(error) => Err(format!("{what}: {:?}: {error}", error.kind)),
    }
}

async fn keeps(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let large = Bytes::from((0..3 << 20).map(|at: u32| (at / 7) as u8).collect::<Vec<_>>());
    for (name, data) in [
        ("empty", Bytes::new()),
        ("small", Bytes::from_static(b"0123456789")),
        ("large", large.clone()),
        ("with space + & größe", Bytes::from_static(b"x")),
    ] {
        let name = format!("{prefix}{name}");
        told("head of nothing", store.head(&name).await)
            .and_then(|found| expect("there is nothing yet", found.is_none()))?;
        told("put", store.put(&name, data.clone(), &plain(&data, false)).await)?;
        let back = told("get", store.get(&name, None, data.len() as u64).await)?;
        expect("the bytes come back", back == data)?;
        let meta = told("head", store.head(&name).await)?.ok_or("it is there")?;
        expect("its length is known", meta.len == data.len() as u64)?;
        expect("it is known again", meta.is(&data, &sha1_of(&data)))?;
        expect("another is told apart", !meta.is(b"another", &sha1_of(b"another")))?;
    }
    let name = format!("{prefix}large");
    for range in [0..1, 5..4096, (3 << 20) - 1..3 << 20] {
        let bytes = told("get a range", store.get(&name, Some(range.clone()), 1 << 20).await)?;
        expect("the range comes", bytes == large.slice(range.start as usize..range.end as usize))?;
    }
    told("delete", store.delete(&name).await)?;
    told("delete again", store.delete(&name).await)?;
    expect_kind("get what was deleted", store.get(&name, None, 10).await, &Kind::NotFound)
}

async fn refuses(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let name = format!("{prefix}one");
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two!"));
    expect_kind("get nothing", store.get(&name, None, 10).await, &Kind::NotFound)?;
    told("put", store.put(&name, one.clone(), &plain(&one, false)).await)?;
    told("put the same", store.put(&name, one.clone(), &plain(&one, false)).await)?;
    expect_kind(
        "put another",
        store.put(&name, two.clone(), &plain(&two, false)).await,
        &Kind::Exists,
    )?;
    let kept = told("get", store.get(&name, None, 10).await)?;
    expect("the first stays", kept == one)?;
    expect_kind("get too much", store.get(&name, None, 2).await, &Kind::TooLarge)?;
    told("overwrite", store.put(&name, two.clone(), &plain(&two, true)).await)?;
    let kept = told("get", store.get(&name, None, 10).await)?;
    expect("the second is there", kept == two)
}

/// The rules of a store that checks digests, which not every server does.
///
/// # Errors
/// As [`run`].
pub async fn checks_digests(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let name = format!("{prefix}wrong");
    let put = Put::new([7; 20], Acl::Unsaid);
    match store.put(&name, Bytes::from_static(b"not these"), &put).await {
        Ok(()) => return Err("a wrong digest was taken".to_owned()),
        Err(error) => expect(
            "a wrong digest is told",
            matches!(error.kind, Kind::Mismatch | Kind::Transient(_)),
        )?,
    }
    let found = told("head", store.head(&name).await)?;
    expect("what was refused is not there", found.is_none())
}

async fn lists(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let data = Bytes::from_static(b"listed");
    for name in ["a.part.1", "a.part.0", "a/deep/er", "b"] {
        told(
            "put",
            store.put(&format!("{prefix}{name}"), data.clone(), &plain(&data, false)).await,
        )?;
    }
    for (begin, expected) in [
        ("", &["a.part.0", "a.part.1", "a/deep/er", "b"][..]),
        ("a.part.", &["a.part.0", "a.part.1"]),
        ("a/", &["a/deep/er"]),
        ("c", &[]),
    ] {
        let found = told("list", store.list(&format!("{prefix}{begin}")).await)?;
        let names: Vec<_> = found.iter().map(|entry| &entry.name[prefix.len()..]).collect();
        if names != expected || found.iter().any(|entry| entry.len != 6) {
            return Err(format!("`{begin}` lists {found:?}"));
        }
    }
    Ok(())
}

async fn copies(store: &dyn Store, prefix: &str) -> Result<(), String> {
    let (from, to) = (format!("{prefix}from ü"), format!("{prefix}to"));
    let data = Bytes::from_static(b"copied");
    told("put", store.put(&from, data.clone(), &plain(&data, false)).await)?;
    told("copy", store.copy(&store.source(&from), &to, &plain(&data, false)).await)?;
    let back = told("get", store.get(&to, None, 10).await)?;
    expect("the copy is the same", back == data)?;
    let mut elsewhere = store.source(&from);
    elsewhere.service += "?";
    expect_kind(
        "copy from elsewhere",
        store.copy(&elsewhere, &to, &plain(&data, true)).await,
        &Kind::Unsupported,
    )?;
    match store.grant(&to, Acl::AwsExecRead).await {
        Ok(()) => Ok(()),
        Err(error) => expect(
            &format!("grant: {error}"),
            matches!(error.kind, Kind::Unsupported | Kind::NoAcls),
        ),
    }
}
