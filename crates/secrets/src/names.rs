//! Secrets that are recognised by their path, because their content has no form of its own.

use crate::secret::Secret;

/// Files in which shells and clients keep what was typed.
const HISTORIES: [&[u8]; 20] = [
    b".ash_history",
    b".bash_history",
    b".dbshell",
    b".histfile",
    b".history",
    b".irb_history",
    b".ksh_history",
    b".lesshst",
    b".mongo_history",
    b".mysql_history",
    b".node_repl_history",
    b".psql_history",
    b".python_history",
    b".rediscli_history",
    b".sh_history",
    b".sqlite_history",
    b".viminfo",
    b".zhistory",
    b".zsh_history",
    b"fish_history",
];

/// Files with the seed of the random numbers: of systemd, and of Debian's, Red Hat's and others' scripts before it.
const RANDOM_SEEDS: [&[u8]; 4] = [
    b"var/lib/misc/random-seed",
    b"var/lib/random-seed",
    b"var/lib/systemd/random-seed",
    b"var/lib/urandom/random-seed",
];

/// Recognises a file by its path, which is from the root of the tree, without a `/` before it.
pub fn by_path(path: &[u8]) -> Option<Secret> {
    let (above, name) = split(path);
    let (_, directory) = split(above);
    if HISTORIES.iter().any(|history| is_or_copy(name, history)) {
        return Some(Secret::History);
    }
    if RANDOM_SEEDS.contains(&path) {
        return Some(Secret::RandomSeed);
    }
    // A new instance gets its own, by which cloud-init knows that it is new.
    if path.starts_with(b"var/lib/cloud/instances/") {
        return Some(Secret::InstanceData);
    }
    match (directory, name) {
        _ if ["authorized_keys", "authorized_keys2"]
            .iter()
            .any(|keys| is_or_copy(name, keys.as_bytes())) =>
        {
            Some(Secret::AuthorizedKeys)
        }
        _ if above == b"etc/ssh" && is_host_key(name, b"ssh_host_") => Some(Secret::HostKey),
        _ if above == b"etc/dropbear" && is_host_key(name, b"dropbear_") => Some(Secret::HostKey),
        // D-Bus wants a whole id or none, and makes one where there is none: an empty file is an error to it.
        _ if path == b"etc/machine-id" => Some(Secret::MachineId),
        _ if path == b"var/lib/dbus/machine-id" => Some(Secret::MachineId),
        _ if path == b"var/lib/systemd/credential.secret" => Some(Secret::PrivateKey("systemd")),
        (b"private-keys-v1.d", _) if name.ends_with(b".key") => Some(Secret::PrivateKey("GnuPG")),
        (_, b"secring.gpg") => Some(Secret::PrivateKey("GnuPG")),
        _ => cloud(directory, name).map(Secret::CloudCredentials),
    }
}

/// Returns whether a name is this one, or that of an older or unfinished copy: `.bash_history-01234.tmp`,
/// `authorized_keys.bak`.
fn is_or_copy(name: &[u8], known: &[u8]) -> bool {
    name.strip_prefix(known)
        .is_some_and(|rest| matches!(rest, [] | [b'.' | b'-' | b'~' | b'_', ..]))
}

fn is_host_key(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.windows(3).any(|word| word == b"key"))
}

fn cloud(directory: &[u8], name: &[u8]) -> Option<&'static str> {
    match (directory, name) {
        (b".aws", b"credentials") | (_, b".boto" | b".s3cfg" | b".passwd-s3fs") => Some("AWS"),
        (_, b".git-credentials") => Some("Git"),
        (_, b".netrc") => Some("netrc"),
        (b"gh", b"hosts.yml") => Some("GitHub"),
        (
            b".azure",
            b"accessTokens.json"
            | b"msal_token_cache.bin"
            | b"msal_token_cache.json"
            | b"service_principal_entries.bin"
            | b"service_principal_entries.json",
        ) => Some("Azure"),
        (
            b"gcloud",
            b"access_tokens.db" | b"application_default_credentials.json" | b"credentials.db",
        ) => Some("Google"),
        _ => None,
    }
}

/// A path's directory and its last name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_has_no_form() {
        for (path, secret) in [
            ("root/.bash_history", Some(Secret::History)),
            ("var/lib/postgresql/.psql_history", Some(Secret::History)),
            ("home/u/.local/share/fish/fish_history", Some(Secret::History)),
            ("home/u/.ssh/authorized_keys", Some(Secret::AuthorizedKeys)),
            ("etc/ssh/authorized_keys", Some(Secret::AuthorizedKeys)),
            ("home/u/.ssh/authorized_keys.bak", Some(Secret::AuthorizedKeys)),
            ("home/u/.ssh/authorized_keysx", None),
            ("root/.bash_history-00123.tmp", Some(Secret::History)),
            ("root/.zhistory", Some(Secret::History)),
            ("root/.historyx", None),
            ("home/u/.netrc", Some(Secret::CloudCredentials("netrc"))),
            ("home/u/.git-credentials", Some(Secret::CloudCredentials("Git"))),
            ("home/u/.config/gh/hosts.yml", Some(Secret::CloudCredentials("GitHub"))),
            ("home/u/.ssh/known_hosts", None),
            ("etc/ssh/ssh_host_rsa_key", Some(Secret::HostKey)),
            ("etc/ssh/ssh_host_ed25519_key.pub", Some(Secret::HostKey)),
            ("etc/ssh/ssh_host_key", Some(Secret::HostKey)),
            ("etc/ssh/sshd_config", None),
            ("etc/dropbear/dropbear_rsa_host_key", Some(Secret::HostKey)),
            ("etc/machine-id", Some(Secret::MachineId)),
            ("srv/etc/machine-id", None),
            ("var/lib/dbus/machine-id", Some(Secret::MachineId)),
            ("var/lib/systemd/random-seed", Some(Secret::RandomSeed)),
            ("home/u/.aws/credentials", Some(Secret::CloudCredentials("AWS"))),
            ("home/u/.aws/config", None),
            ("root/.config/gcloud/credentials.db", Some(Secret::CloudCredentials("Google"))),
            ("root/.azure/msal_token_cache.json", Some(Secret::CloudCredentials("Azure"))),
            ("root/.gnupg/private-keys-v1.d/AB.key", Some(Secret::PrivateKey("GnuPG"))),
            ("root/.gnupg/pubring.kbx", None),
            ("var/lib/cloud/instances/i-1/user-data.txt", Some(Secret::InstanceData)),
            ("var/lib/cloud/seed/nocloud/user-data", None),
            ("usr/share/keyrings/debian-archive-keyring.gpg", None),
            ("etc/apt/trusted.gpg.d/x.gpg", None),
        ] {
            assert_eq!(by_path(path.as_bytes()), secret, "{path}");
        }
    }
}
