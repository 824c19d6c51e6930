//! Instance metadata, version 2, and version 1 where it is allowed.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Response};
use s3s::Body;
use serde_json::json;

use crate::id::{self, held};
use crate::metadata::{Metadata, Role, Token};
use crate::reply::reply;
use crate::world::World;

/// Answers a request.
pub(crate) async fn answer(parts: &Parts, world: &World) -> Response<Body> {
    let metadata = held(&world.metadata).clone();
    if !metadata.enabled {
        return plain(403, "");
    }
    let path = parts.uri.path();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    match parts.method.as_str() {
        "PUT" if path.ends_with("/api/token") => {
            if metadata.hang_token {
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
            if text("x-forwarded-for").is_some() || path != "/latest/api/token" {
                return plain(403, "");
            }
            let ttl = text("x-aws-ec2-metadata-token-ttl-seconds")
                .and_then(|ttl| ttl.parse::<u64>().ok());
            let Some(ttl) = ttl.filter(|ttl| (1..=21_600).contains(ttl)) else {
                return plain(400, "");
            };
            let token = Token { text: id::random(28), until: id::now() + ttl * 1000 };
            let mut response = plain(200, &token.text);
            held(&world.tokens).push(token);
            response
                .headers_mut()
                .insert("x-aws-ec2-metadata-token-ttl-seconds", HeaderValue::from(ttl));
            response
        }
        "GET" | "HEAD" => {
            let known = |token: &str| {
                held(&world.tokens)
                    .iter()
                    .any(|known| known.text == token && known.until > id::now())
            };
            let allowed = match text("x-aws-ec2-metadata-token") {
                Some(token) => known(token),
                None => metadata.version_1,
            };
            if !allowed {
                return plain(401, "");
            }
            match path.strip_prefix("/latest").and_then(|path| item(path, &metadata)) {
                Some(text) => plain(200, &text),
                None => plain(404, ""),
            }
        }
        _ => plain(405, ""),
    }
}

fn plain(status: u16, text: &str) -> Response<Body> {
    reply(status, "text/plain", text.to_owned())
}

/// Everything there is, as paths below `/latest/`.
fn tree(metadata: &Metadata) -> Vec<(String, String)> {
    let mut tree = Vec::new();
    let mut add = |path: &str, text: String| tree.push((path.to_owned(), text));
    let zone = format!("{}a", metadata.region);
    add("dynamic/instance-identity/document", document(metadata, &zone));
    add("meta-data/ami-id", metadata.ami_id.clone());
    add("meta-data/ami-manifest-path", metadata.ami_manifest_path.clone());
    if !metadata.ancestor_ami_ids.is_empty() {
        add("meta-data/ancestor-ami-ids", metadata.ancestor_ami_ids.join("\n"));
    }
    for (name, device) in &metadata.block_devices {
        add(&format!("meta-data/block-device-mapping/{name}"), device.clone());
    }
    if let Some(role) = &metadata.role {
        add(&format!("meta-data/iam/security-credentials/{}", role.name), credentials(role));
    }
    add("meta-data/instance-id", "i-0123456789abcdef0".to_owned());
    add("meta-data/instance-type", metadata.instance_type.clone());
    add("meta-data/placement/availability-zone", zone);
    add("meta-data/placement/region", metadata.region.clone());
    if !metadata.product_codes.is_empty() {
        add("meta-data/product-codes", metadata.product_codes.join("\n"));
    }
    for (path, id) in [
        ("meta-data/kernel-id", &metadata.kernel_id),
        ("meta-data/ramdisk-id", &metadata.ramdisk_id),
    ] {
        if let Some(id) = id {
            add(path, id.clone());
        }
    }
    add("meta-data/services/domain", "amazonaws.com".to_owned());
    add("meta-data/services/partition", "aws".to_owned());
    if let Some(text) = &metadata.user_data {
        add("user-data", text.clone());
    }
    tree
}

/// A leaf, or the list of what is below a path.
fn item(path: &str, metadata: &Metadata) -> Option<String> {
    let tree = tree(metadata);
    let path = path.trim_matches('/');
    if let Some((_, text)) = tree.iter().find(|(leaf, _)| leaf == path) {
        return Some(text.clone());
    }
    let start = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut names: Vec<String> = Vec::new();
    for (leaf, _) in &tree {
        let Some(rest) = leaf.strip_prefix(&start) else { continue };
        let name =
            rest.split_once('/').map_or_else(|| rest.to_owned(), |(name, _)| format!("{name}/"));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join("\n"))
}

fn document(metadata: &Metadata, zone: &str) -> String {
    let codes = (!metadata.product_codes.is_empty()).then_some(&metadata.product_codes);
    json!({
        "accountId": metadata.account, "architecture": metadata.architecture, "availabilityZone": zone,
        "billingProducts": null, "devpayProductCodes": null, "marketplaceProductCodes": codes,
        "imageId": metadata.ami_id, "instanceId": "i-0123456789abcdef0", "instanceType": metadata.instance_type,
        "kernelId": metadata.kernel_id, "pendingTime": "2026-01-02T03:04:05Z", "privateIp": "10.0.0.1",
        "ramdiskId": metadata.ramdisk_id, "region": metadata.region, "version": "2017-09-30",
    })
    .to_string()
}

fn credentials(role: &Role) -> String {
    let until = id::now().saturating_add_signed(role.expires_in.saturating_mul(1000));
    // Whole seconds, as the service has them.
    let second = |time: u64| format!("{}Z", &id::date(time)[..19]);
    json!({
        "Code": "Success", "LastUpdated": second(id::now()), "Type": "AWS-HMAC", "AccessKeyId": role.access_key,
        "SecretAccessKey": role.secret_key, "Token": role.token, "Expiration": second(until),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_leaves_or_lists() {
        let metadata = Metadata { kernel_id: Some("aki-1".to_owned()), ..Metadata::default() };
        assert_eq!(item("/meta-data/kernel-id", &metadata).as_deref(), Some("aki-1"));
        assert_eq!(item("/meta-data/ramdisk-id", &metadata), None);
        assert_eq!(
            item("/meta-data/block-device-mapping/", &metadata).as_deref(),
            Some("ami\nroot")
        );
        assert_eq!(
            item("/meta-data/iam/security-credentials", &metadata).as_deref(),
            Some("standin")
        );
        assert!(item("/meta-data/", &metadata).unwrap().contains("placement/"));
    }
}
