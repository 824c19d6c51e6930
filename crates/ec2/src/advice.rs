//! Advice for the codes and kinds of EC2's errors.

mod codes;

use std::borrow::Cow;
use std::time::Duration;

use baler_aws::is_throttling;
use codes::CODES;

use crate::error::{Error, ErrorDetails, ErrorKind};

impl Error {
    /// The next step, if one is known for this error. It reads the same everywhere.
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        match (&self.kind, &self.code) {
            // Whatever the code is: it has many for this.
            (ErrorKind::Skewed { .. }, _) | (_, None) => by_kind(self),
            (_, Some(code)) => by_code(code, self).or_else(|| by_kind(self)),
        }
    }
}

/// The IAM action of a request. IAM has the same names, with the service before them.
fn iam(error: &ErrorDetails) -> String {
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

fn by_code(code: &str, error: &ErrorDetails) -> Option<Cow<'static, str>> {
    let text = match code {
        "InvalidManifest" => manifest(&error.message),
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            let decode = if error.message.contains("Encoded authorization failure message") {
                "; `aws sts decode-authorization-message` tells which policy refuses"
            } else {
                ""
            };
            return Some(format!("the credentials need {}{decode}", iam(error)).into());
        }
        "AuthFailure" if error.action == "RegisterImage" => {
            "check the access key and the clock; if those are right, EC2 may not read the manifest: it \
             needs `aws-exec-read` on it, or the bucket is somebody else's"
        }
        "AuthFailure" if error.action != "DescribeImages" => {
            "check the access key and the clock; only an image's owner may change or share it"
        }
        "OperationNotPermitted" => match error.action {
            "DeregisterImage" => {
                "the image is protected from deregistration; switch that off first"
            }
            _ if error.message.contains("roduct code") => {
                "an image with product codes cannot be public; share it with accounts instead"
            }
            _ => PUBLIC_ACCESS,
        },
        "InvalidRequest" if error.action == "CopyImage" => {
            "images cannot be copied to another partition, and paravirtual ones only to regions that \
             have such machines"
        }
        code if is_throttling(code) => {
            "the account sends too many requests; try again later, with less at once"
        }
        code => match CODES.iter().find(|(codes, _)| codes.contains(&code)) {
            Some((_, text)) => text,
            None if error.message.to_ascii_lowercase().contains("block public access") => {
                PUBLIC_ACCESS
            }
            None => return None,
        },
    };
    Some(text.into())
}

const PUBLIC_ACCESS: &str = "the account blocks public access for its images in this region; its \
     administrator can lift that with `ec2:DisableImageBlockPublicAccess`";

const NOT_EC2: &str =
    "something else answers for EC2: a proxy or a login page, or the endpoint is wrong";

/// What EC2 means by an invalid manifest: it could not read it, or could not make sense of it.
fn manifest(message: &str) -> &'static str {
    let lower = message.to_ascii_lowercase();
    if lower.contains("403") || lower.contains("forbidden") || lower.contains("access") {
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
    }
}

fn by_kind(error: &ErrorDetails) -> Option<Cow<'static, str>> {
    Some(match &error.kind {
        ErrorKind::Skewed { by, ahead } => {
            let way = if *ahead { "ahead of" } else { "behind" };
            format!("the machine's clock is {} {way} EC2's: set it", rough(*by)).into()
        }
        ErrorKind::Unreachable => {
            "check the network and the region: a wrong one is a host that does not exist"
                .into()
        }
        ErrorKind::Untrusted => {
            "if the endpoint or a proxy has an authority of its own, set SSL_CERT_FILE to the file of its \
             certificate"
                .into()
        }
        ErrorKind::Unreadable => NOT_EC2.into(),
        // EC2 always gives a code.
        ErrorKind::Refused if error.code.is_none() && error.status.is_some() => NOT_EC2.into(),
        ErrorKind::Credentials => {
            "give an access key, a profile or a role; `aws sts get-caller-identity` shows whether \
             one works"
                .into()
        }
        ErrorKind::NameTaken { ami, .. } => {
            format!("choose another name, or deregister {ami} first").into()
        }
        ErrorKind::Pending { .. } => "EC2 continues; look again later".into(),
        ErrorKind::Failed { .. } => {
            "deregister the image, repair what the reason says, and register again".into()
        }
        ErrorKind::Transient => "EC2 has a problem of its own; try again later".into(),
        ErrorKind::Denied => format!("the credentials may need {}", iam(error)).into(),
        _ => return None,
    })
}

/// A duration in words.
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

    fn advice(action: &'static str, code: &str, message: &str) -> Option<String> {
        Error::new(action, kind(Some(code), 400), message)
            .with_answer(400, Some(code.to_owned()), None)
            .advice()
            .map(Cow::into_owned)
    }

    #[test]
    fn codes_have_advice() {
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
            let hint = advice(action, code, message).expect(code);
            assert!(hint.contains(says), "{code}: {hint}");
            assert!(!hint.ends_with('.') && !hint.contains("  "), "{code}: {hint}");
        }
        assert_eq!(advice("DescribeImages", "SomethingNew", "x"), None);
    }

    #[test]
    fn kinds_have_advice() {
        let by = Duration::from_secs(600);
        let error = Error::new("X", ErrorKind::Skewed { by, ahead: false }, "m");
        let error = error.with_answer(401, Some("AuthFailure".to_owned()), None);
        assert_eq!(
            error.advice().as_deref(),
            Some("the machine's clock is 10 min behind EC2's: set it")
        );
        for kind in [
            ErrorKind::Unreachable,
            ErrorKind::Untrusted,
            ErrorKind::Unreadable,
            ErrorKind::Credentials,
            ErrorKind::Denied,
        ] {
            Error::new("X", kind, "m").advice().expect("advice");
        }
    }
}
