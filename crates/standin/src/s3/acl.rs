//! Access control lists: those that headers and bodies ask for, those that a bucket allows, and the readers of an object.

use http::HeaderMap;
use s3s::dto::{AccessControlPolicy, Grant as XmlGrant, Grantee, Owner, Permission, Type};
use s3s::{S3Error, S3Result, s3_error};
use sha2::{Digest as _, Sha256};

use super::storage::{Bucket, Grant};
use crate::id;

/// The canonical user that is EC2: `aws-exec-read` lets it read.
pub(crate) const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";
const EVERYONE: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const SIGNED_IN: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// The ACL that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// `x-amz-acl`.
    Canned(String),
    /// `x-amz-grant-…`, or a body.
    Grants(Vec<Grant>),
}

/// The id of the canonical user that an account is.
pub(crate) fn canonical(account: &str) -> String {
    id::hex(&Sha256::digest(account))
}

/// The ACL that only lets the owner in.
pub(crate) fn private(owner: &str) -> Vec<Grant> {
    vec![grant(owner, "FULL_CONTROL")]
}

/// The ACL that the headers ask for.
pub(crate) fn asked(headers: &HeaderMap) -> S3Result<Asked> {
    let mut grants = Vec::new();
    for (name, permission) in [
        ("x-amz-grant-full-control", "FULL_CONTROL"),
        ("x-amz-grant-read", "READ"),
        ("x-amz-grant-read-acp", "READ_ACP"),
        ("x-amz-grant-write", "WRITE"),
        ("x-amz-grant-write-acp", "WRITE_ACP"),
    ] {
        let Some(value) = headers.get(name) else { continue };
        for grantee in value.to_str().unwrap_or_default().split(',') {
            let invalid = || s3_error!(InvalidArgument, "Argument format not recognized");
            let (kind, name) = grantee.trim().split_once('=').ok_or_else(invalid)?;
            match kind {
                "id" | "uri" => grants.push(grant(name.trim_matches('"'), permission)),
                "emailAddress" => {
                    return Err(s3_error!(MethodNotAllowed, "Email grantees are not supported"));
                }
                _ => return Err(invalid()),
            }
        }
    }
    match (headers.get("x-amz-acl"), grants.is_empty()) {
        (None, true) => Ok(Asked::Nothing),
        (None, false) => Ok(Asked::Grants(grants)),
        (Some(name), true) => Ok(Asked::Canned(name.to_str().unwrap_or_default().to_owned())),
        (Some(_), false) => Err(s3_error!(
            InvalidRequest,
            "Specifying both Canned ACLs and Header Grants is not allowed"
        )),
    }
}

/// The ACL that a body asks for.
pub(crate) fn asked_in(policy: AccessControlPolicy) -> S3Result<Asked> {
    let convert = |xml: XmlGrant| {
        let grantee = xml.grantee.and_then(|grantee| grantee.id.or(grantee.uri));
        let (grantee, permission) =
            grantee.zip(xml.permission).ok_or_else(|| s3_error!(MalformedACLError))?;
        Ok(grant(&grantee, permission.as_str()))
    };
    Ok(Asked::Grants(
        policy.grants.unwrap_or_default().into_iter().map(convert).collect::<S3Result<_>>()?,
    ))
}

/// The grants that follow from what was asked, if a bucket takes them.
pub(crate) fn granted(asked: Asked, owner: &str, bucket: &Bucket) -> S3Result<Vec<Grant>> {
    if bucket.enforced() {
        let nothing_new = match &asked {
            Asked::Nothing => true,
            Asked::Canned(name) => name == "bucket-owner-full-control",
            Asked::Grants(grants) => *grants == private(owner),
        };
        // An ACL that S3 does not know is wrong everywhere.
        resolve(asked, owner)?;
        return if nothing_new { Ok(private(owner)) } else { Err(not_supported()) };
    }
    let grants = resolve(asked, owner)?;
    if bucket.settings.block.is_some_and(|block| block[0]) && is_public(&grants) {
        return Err(s3_error!(
            AccessDenied,
            "public ACLs are blocked by the BlockPublicAcls setting of the bucket"
        ));
    }
    Ok(grants)
}

/// The grants that a canned ACL, or a list, stands for.
pub(crate) fn resolve(asked: Asked, owner: &str) -> S3Result<Vec<Grant>> {
    let name = match asked {
        Asked::Nothing => return Ok(private(owner)),
        Asked::Grants(grants) => return Ok(grants),
        Asked::Canned(name) => name,
    };
    let mut grants = private(owner);
    match name.as_str() {
        "private" | "bucket-owner-read" | "bucket-owner-full-control" => {}
        "public-read" => grants.push(grant(EVERYONE, "READ")),
        "public-read-write" => grants.extend([grant(EVERYONE, "READ"), grant(EVERYONE, "WRITE")]),
        "authenticated-read" => grants.push(grant(SIGNED_IN, "READ")),
        "aws-exec-read" => grants.push(grant(EC2, "READ")),
        _ => return Err(s3_error!(InvalidArgument, "the canned ACL `{name}` is not known")),
    }
    Ok(grants)
}

/// Tells if grants let in everyone, or everyone with an account.
pub(crate) fn is_public(grants: &[Grant]) -> bool {
    grants.iter().any(|grant| grant.grantee == EVERYONE || grant.grantee == SIGNED_IN)
}

/// Tells if EC2 can read an object with these grants in `bucket`. Where ACLs are off, it cannot.
pub(crate) fn ec2_reads(grants: &[Grant], bucket: &Bucket) -> bool {
    let ignored = bucket.settings.block.is_some_and(|block| block[1]);
    !bucket.enforced()
        && grants.iter().any(|grant| {
            let reads = grant.permission == "READ" || grant.permission == "FULL_CONTROL";
            let public = is_public(std::slice::from_ref(grant));
            reads && (grant.grantee == EC2 || public && !ignored)
        })
}

/// Grants as an ACL is read: under enforced ownership only the owner is seen.
pub(crate) fn shown(grants: &[Grant], owner: &str, bucket: &Bucket) -> Vec<XmlGrant> {
    let owned = private(owner);
    let grants = if bucket.enforced() { &owned } else { grants };
    grants
        .iter()
        .map(|grant| XmlGrant {
            grantee: Some(grantee(grant, owner)),
            permission: permission(grant),
        })
        .collect()
}

/// The owner, as every ACL names it.
pub(crate) fn owner(id: &str) -> Owner {
    Owner { display_name: Some("standin".to_owned()), id: Some(id.to_owned()) }
}

fn not_supported() -> S3Error {
    s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs")
}

fn grant(grantee: &str, permission: &str) -> Grant {
    Grant { grantee: grantee.to_owned(), permission: permission.to_owned() }
}

fn permission(grant: &Grant) -> Option<Permission> {
    Some(Permission::from(grant.permission.clone()))
}

fn grantee(grant: &Grant, owner: &str) -> Grantee {
    let group = grant.grantee.contains("://");
    let display_name = match grant.grantee.as_str() {
        EC2 => Some("za-team".to_owned()),
        user if user == owner => Some("standin".to_owned()),
        _ => None,
    };
    let kind = if group { Type::GROUP } else { Type::CANONICAL_USER };
    Grantee {
        display_name,
        email_address: None,
        id: (!group).then(|| grant.grantee.clone()),
        type_: Type::from_static(kind),
        uri: group.then(|| grant.grantee.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn headers_ask_for_one_kind_of_acl() {
        assert_eq!(asked(&headers(&[])).unwrap(), Asked::Nothing);
        let grants = asked(&headers(&[("x-amz-grant-read", "id=\"a\", uri=\"b://c\"")])).unwrap();
        assert_eq!(grants, Asked::Grants(vec![grant("a", "READ"), grant("b://c", "READ")]));
        assert!(asked(&headers(&[("x-amz-grant-read", "emailAddress=\"a@b\"")])).is_err());
        assert!(
            asked(&headers(&[("x-amz-grant-read", "id=a"), ("x-amz-acl", "private")])).is_err()
        );
    }

    #[test]
    fn canned_acls_are_grants() {
        let of = |name: &str| resolve(Asked::Canned(name.to_owned()), "me");
        assert_eq!(of("aws-exec-read").unwrap(), [grant("me", "FULL_CONTROL"), grant(EC2, "READ")]);
        assert!(is_public(&of("public-read").unwrap()));
        assert!(of("ec2-bundle-read").is_err());
    }
}
