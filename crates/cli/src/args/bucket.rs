//! What may be done to a bucket, and who may read what is put into it.

use baler::BucketOptions;
use baler_store::Acl;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct BucketArgs {
    /// The ACL of the objects: aws-exec-read lets EC2 read them, which an AMI needs; or private, public-read,
    /// authenticated-read, bucket-owner-read, bucket-owner-full-control, or none to send no ACL
    #[arg(long, default_value = "aws-exec-read")]
    pub(crate) acl: Acl,

    /// Create the bucket if it does not exist, in --region, with ACLs enabled
    #[arg(long)]
    create_bucket: bool,

    /// Change the bucket if EC2 could not read from it: allow ACLs, encrypt without KMS
    #[arg(long)]
    fix_bucket: bool,
}

impl BucketArgs {
    /// One of the options that was given, if there is one.
    pub(crate) fn used(&self) -> Option<&'static str> {
        [
            ("--create-bucket", self.create_bucket),
            ("--fix-bucket", self.fix_bucket),
            ("--acl", self.acl != Acl::default()),
        ]
        .into_iter()
        .find_map(|(name, is_used)| is_used.then_some(name))
    }

    /// The options for the library.
    pub(crate) fn options(&self) -> BucketOptions {
        let mut options = BucketOptions::new();
        options.acl = self.acl;
        options.create = self.create_bucket;
        options.fix = self.fix_bucket;
        options
    }
}
