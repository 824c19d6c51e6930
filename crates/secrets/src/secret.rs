use std::fmt;

/// A kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Secret {
    /// A private key, in this form.
    PrivateKey(&'static str),
    /// Credentials of an account with this cloud service.
    CloudCredentials(&'static str),
    /// Commands that someone typed.
    History,
    /// Whom this machine lets in.
    AuthorizedKeys,
    /// The key by which this machine proves its identity. The public half is one too: it would be that of another key
    /// than the one that the new machine makes for itself at its first boot.
    HostKey,
    /// The seed of this machine's random numbers; two machines must not begin with the same.
    RandomSeed,
    /// Data that cloud-init was given for this instance.
    InstanceData,
    /// The identity of this machine, which the new one makes for itself at its first boot.
    MachineId,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::PrivateKey(form) => write!(f, "private key ({form})"),
            Secret::CloudCredentials(service) => write!(f, "cloud credentials ({service})"),
            Secret::History => f.write_str("history of what was typed"),
            Secret::AuthorizedKeys => f.write_str("authorized SSH keys"),
            Secret::HostKey => f.write_str("SSH host key"),
            Secret::RandomSeed => f.write_str("random seed"),
            Secret::InstanceData => f.write_str("instance data of cloud-init"),
            Secret::MachineId => f.write_str("machine id"),
        }
    }
}
