//! What to look at when EC2 refuses something.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Facts, is_throttling};

impl Error {
    /// What to do next, if something is known for this error.
    pub fn hint(&self) -> Option<String> {
        match (&self.kind, &self.code) {
            // Whatever the code is: it has many for this.
            (ErrorKind::Skewed { .. }, _) | (_, None) => by_kind(self),
            (_, Some(code)) => by_code(code, self).or_else(|| by_kind(self)),
        }
    }
}

/// The IAM action of a request. IAM has the same names, with the service before them.
fn iam(error: &Facts) -> String {
    match error.action {
        // A copy of an S3-backed image is made in a bucket that EC2 makes as the caller.
        "CopyImage" => "`ec2:CopyImage`; for an S3-backed image also `s3:CreateBucket`, \
             `s3:PutBucketOwnershipControls`, `s3:GetBucketAcl`, `s3:ListAllMyBuckets`, \
             `s3:GetObject` on the source and `s3:PutObject` and `s3:PutObjectAcl` on \
             `amis-for-ACCOUNT-in-REGION*`"
            .to_owned(),
        action => format!("`ec2:{action}`"),
    }
}

fn by_code(code: &str, error: &Facts) -> Option<String> {
    let hint = match code {
        "InvalidManifest" => return Some(manifest(&error.message)),
        "InvalidAMIName.Duplicate" => {
            "choose another name, or deregister the image that has it; a name is free again only a \
             while after its image was deregistered"
        }
        "InvalidAMIName.Malformed" => {
            "a name has 3 to 128 letters, digits, spaces and ()[]./-'@_; EC2's page for this error \
             names only - _ . / ( ) besides letters and digits"
        }
        "InvalidAMIID.Malformed" => "an AMI id is `ami-` and 8 or 17 hexadecimal digits",
        "InvalidAMIID.NotFound" => {
            "check the id and the region, and whether the account may see the image; one that was \
             registered a moment ago shows after a few seconds"
        }
        "InvalidAMIID.Unavailable" => "the image was deregistered, or is not available yet",
        "InvalidAMIAttributeItemValue" => {
            "check the account, group or ARN: an account is 12 digits, and the only group is `all`; an \
             image with a product code or encrypted snapshots cannot be public"
        }
        "InvalidBlockDeviceMapping" => {
            "an S3-backed image has instance store volumes only, on devices such as `/dev/sdb`; each \
             device once, and HVM images no partitions but `sda1`"
        }
        "InvalidKernelId.Malformed" | "InvalidAKIID.Malformed" => {
            "a kernel id is `aki-` and 8 or 17 hexadecimal digits"
        }
        "InvalidAKIID.NotFound" | "InvalidKernelId.NotFound" => {
            "kernel images differ from region to region; list those of owner `amazon` named \
             `pv-grub-*` there"
        }
        "InvalidRamdiskId.Malformed" | "InvalidARIID.Malformed" => {
            "a RAM disk id is `ari-` and 8 or 17 hexadecimal digits"
        }
        "InvalidARIID.NotFound" | "InvalidRamdiskId.NotFound" => {
            "RAM disk images differ from region to region, and PV-GRUB kernels need none"
        }
        "InvalidSnapshot.NotFound" => "check the snapshot's id and region",
        "InvalidParameterCombination" => {
            "HVM images take no kernel or RAM disk; enhanced networking is for HVM only; a boot mode \
             has to fit the architecture"
        }
        "InvalidParameterValue" | "InvalidParameter" | "MissingParameter" | "UnknownParameter" => {
            "check the value that EC2 names: architecture, virtualization type, boot mode and the \
             region's own limits"
        }
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            let decode = match error.message.contains("Encoded authorization failure message") {
                true => "; `aws sts decode-authorization-message` tells which policy refuses",
                false => "",
            };
            return Some(format!("the credentials need {}{decode}", iam(error)));
        }
        "AuthFailure" if error.action == "RegisterImage" => {
            "check the access key and the clock; if those are right, EC2 may not read the manifest: it \
             needs `aws-exec-read` on it, or the bucket is somebody else's"
        }
        "AuthFailure" if error.action != "DescribeImages" => {
            "check the access key and the clock; only an image's owner may change or share it"
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken" => {
            "check the access key, and whether its account uses this region and partition"
        }
        "SignatureDoesNotMatch" | "IncompleteSignature" => {
            "check the secret access key, and whether a proxy changes requests"
        }
        "RequestExpired" | "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            "the session has ended, or the machine's clock is wrong: log in again, and compare the \
             clock with a time server"
        }
        "OptInRequired" => {
            "the account is not subscribed to EC2, or the region has to be enabled for it"
        }
        "PendingVerification" => "AWS is still verifying the account; try again in some hours",
        "Blocked" => "AWS has blocked the account; its support knows why",
        "OperationNotPermitted" => match error.action {
            "DeregisterImage" => {
                "the image is protected from deregistration; switch that off first"
            }
            _ if error.message.contains("roduct code") => {
                "an image with product codes cannot be public; share it with accounts instead"
            }
            _ => PUBLIC_ACCESS,
        },
        "OrganizationsNotInUse" => "the account is in no organization; share with accounts instead",
        "OrganizationNotFound" | "InvalidOrganization" | "OrganizationalUnitNotFound" => {
            "check the ARN: only the caller's own organization and its units can be named"
        }
        "OrganizationsAccessDenied" => {
            "the organization has not enabled sharing with EC2, or the caller may not read it"
        }
        "AMILimitExceeded"
        | "ResourceLimitExceeded"
        | "ImageQuotaExceeded"
        | "PublicAMILimitExceeded" => {
            "the account has as many images as it may have: deregister some, or ask for a higher quota"
        }
        "IdempotentParameterMismatch" | "IdempotentClientTokenMismatch" => {
            "the client token was used for another request before; take a new one"
        }
        "TagLimitExceeded" => "an image has 50 tags at most",
        "InvalidImageAttribute" => "S3-backed images do not have this attribute",
        "InvalidRequest" if error.action == "CopyImage" => {
            "images cannot be copied to another partition, and paravirtual ones only to regions that \
             have such machines"
        }
        "InvalidAction" | "UnsupportedOperation" => {
            "this endpoint, or this region, does not have the operation"
        }
        code if is_throttling(code) => {
            "the account sends too many requests; try again later, with less at once"
        }
        _ if error.message.contains("block public access")
            || error.message.contains("Block public access") =>
        {
            PUBLIC_ACCESS
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

const PUBLIC_ACCESS: &str = "the account blocks public access for its images in this region; its \
     administrator can lift that with `ec2:DisableImageBlockPublicAccess`";

const NOT_EC2: &str =
    "something else answers for EC2: a proxy or a login page, or the endpoint is wrong";

/// What EC2 means by an invalid manifest: it could not read it, or could not make sense of it.
fn manifest(message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    let hint = if lower.contains("403") || lower.contains("forbidden") || lower.contains("access") {
        "EC2 cannot read the manifest: the key may be wrong (that is a 403 too; mind upper case and \
         double slashes), or the manifest or a part has no `aws-exec-read`, or the bucket is in \
         another region, has ACLs disabled, or encrypts with KMS"
    } else if lower.contains("404")
        || lower.contains("not found")
        || lower.contains("does not exist")
    {
        "there is no such manifest: check the bucket, the key and the region"
    } else if lower.contains("301") || lower.contains("region") || lower.contains("moved") {
        "the bucket is in another region: register where the bucket is"
    } else if lower.contains("device") {
        "a device in the manifest's block device mapping is not one of EC2's; bundle again without it, \
         and give mappings when registering"
    } else if lower.contains("signature")
        || lower.contains("decrypt")
        || lower.contains("certificate")
    {
        "the manifest was changed after it was signed, or was made for another region's key: bundle \
         again for this region"
    } else if lower.contains("kernel") || lower.contains("ramdisk") {
        "the manifest names a kernel or RAM disk that this region does not have"
    } else if lower.contains("architecture") {
        "the manifest's architecture is `i386`, `x86_64` or `arm64`, and must not contradict the request"
    } else {
        "EC2 cannot make sense of the manifest: check that the location is the manifest's and not a \
         part's, and that the upload is complete and unchanged"
    };
    hint.to_owned()
}

fn by_kind(error: &Facts) -> Option<String> {
    Some(match &error.kind {
        ErrorKind::Skewed { by, ahead } => {
            let way = if *ahead { "ahead of" } else { "behind" };
            format!("the machine's clock is {} {way} EC2's: set it", rough(*by))
        }
        ErrorKind::Unreachable => {
            "check the network and the region: a wrong one is a host that does not exist"
                .to_owned()
        }
        ErrorKind::Untrusted => {
            "if the endpoint or a proxy has an authority of its own, set SSL_CERT_FILE to the file of its \
             certificate"
                .to_owned()
        }
        ErrorKind::Unreadable => NOT_EC2.to_owned(),
        // EC2 always gives a code.
        ErrorKind::Refused if error.code.is_none() && error.status.is_some() => NOT_EC2.to_owned(),
        ErrorKind::Credentials => {
            "give an access key, a profile or a role; `aws sts get-caller-identity` shows whether \
             one works"
                .to_owned()
        }
        ErrorKind::NameTaken { ami, .. } => {
            format!("choose another name, or deregister {ami} first")
        }
        ErrorKind::Pending { .. } => "EC2 goes on without us; look again later".to_owned(),
        ErrorKind::Failed { .. } => {
            "deregister the image, repair what the reason says, and register again".to_owned()
        }
        ErrorKind::Transient => "EC2 has a problem of its own; try again later".to_owned(),
        ErrorKind::Denied => format!("the credentials may need {}", iam(error)),
        _ => return None,
    })
}

/// A duration as one would say it.
fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind;

    fn hint(action: &'static str, code: &str, message: &str) -> Option<String> {
        Error::new(action, kind(Some(code), 400), message)
            .with_answer(400, Some(code.to_owned()), None)
            .hint()
    }

    #[test]
    fn codes_have_hints() {
        for (action, code, message, says) in [
            (
                "RegisterImage",
                "InvalidManifest",
                "HTTP 403 (Forbidden) response for URL x",
                "aws-exec-read",
            ),
            (
                "RegisterImage",
                "InvalidManifest",
                "Invalid block device mapping: Invalid device name 'xvdal'",
                "device",
            ),
            ("RegisterImage", "InvalidManifest", "The manifest could not be parsed", "make sense"),
            ("RegisterImage", "InvalidAMIName.Duplicate", "", "another name"),
            ("RegisterImage", "InvalidAMIName.Malformed", "", "3 to 128"),
            ("DescribeImages", "InvalidAMIID.NotFound", "", "region"),
            ("DescribeImages", "InvalidAMIID.Malformed", "", "17"),
            ("RegisterImage", "InvalidBlockDeviceMapping", "", "instance store"),
            ("RegisterImage", "InvalidKernelId.Malformed", "", "`aki-`"),
            ("RegisterImage", "InvalidParameterCombination", "", "HVM"),
            ("RegisterImage", "UnauthorizedOperation", "", "`ec2:RegisterImage`"),
            ("CopyImage", "UnauthorizedOperation", "", "s3:PutBucketOwnershipControls"),
            (
                "CopyImage",
                "UnauthorizedOperation",
                "Encoded authorization failure message: x",
                "decode-authorization",
            ),
            ("DescribeImages", "AuthFailure", "", "access key"),
            ("RegisterImage", "AuthFailure", "", "aws-exec-read"),
            ("DescribeImages", "RequestExpired", "", "clock"),
            ("DescribeImages", "RequestLimitExceeded", "", "too many requests"),
            ("DescribeImages", "OptInRequired", "", "enabled"),
            ("ModifyImageAttribute", "OperationNotPermitted", "", "public access"),
            (
                "ModifyImageAttribute",
                "OperationNotPermitted",
                "with product codes",
                "accounts instead",
            ),
            ("DeregisterImage", "OperationNotPermitted", "", "protected"),
            ("ModifyImageAttribute", "OrganizationsNotInUse", "", "no organization"),
        ] {
            let hint = hint(action, code, message).expect(code);
            assert!(hint.contains(says), "{code}: {hint}");
            assert!(!hint.ends_with('.') && !hint.contains("  "), "{code}: {hint}");
        }
        assert_eq!(hint("DescribeImages", "SomethingNew", "x"), None);
    }

    #[test]
    fn kinds_have_hints() {
        let by = Duration::from_secs(600);
        let error = Error::new("X", ErrorKind::Skewed { by, ahead: false }, "m");
        let error = error.with_answer(401, Some("AuthFailure".to_owned()), None);
        assert_eq!(
            error.hint().as_deref(),
            Some("the machine's clock is 10 min behind EC2's: set it")
        );
        for kind in [
            ErrorKind::Unreachable,
            ErrorKind::Untrusted,
            ErrorKind::Unreadable,
            ErrorKind::Credentials,
            ErrorKind::Denied,
        ] {
            Error::new("X", kind, "m").hint().expect("a hint");
        }
    }
}
