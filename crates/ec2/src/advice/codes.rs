//! Advice for EC2's codes that mean one thing each.

/// Codes, and the advice for them.
pub(super) const CODES: &[(&[&str], &str)] = &[
    (
        &["InvalidAMIName.Duplicate"],
        "choose another name, or deregister the image that has it; a name is free again only a \
         while after its image was deregistered",
    ),
    (
        &["InvalidAMIName.Malformed"],
        "a name has 3 to 128 letters, digits, spaces and ()[]./-'@_; EC2's page for this error \
         names only - _ . / ( ) besides letters and digits",
    ),
    (&["InvalidAMIID.Malformed"], "an AMI id is `ami-` and 8 or 17 hexadecimal digits"),
    (
        &["InvalidAMIID.NotFound"],
        "check the id and the region, and whether the account may see the image; one that was \
         registered a moment ago shows after a few seconds",
    ),
    (&["InvalidAMIID.Unavailable"], "the image was deregistered, or is not available yet"),
    (
        &["InvalidAMIAttributeItemValue"],
        "check the account, group or ARN: an account is 12 digits, and the only group is `all`; an \
         image with a product code or encrypted snapshots cannot be public",
    ),
    (
        &["InvalidBlockDeviceMapping"],
        "an S3-backed image has instance store volumes only, on devices such as `/dev/sdb`; each \
         device once, and HVM images no partitions but `sda1`",
    ),
    (
        &["InvalidKernelId.Malformed", "InvalidAKIID.Malformed"],
        "a kernel id is `aki-` and 8 or 17 hexadecimal digits",
    ),
    (
        &["InvalidAKIID.NotFound", "InvalidKernelId.NotFound"],
        "kernel images differ from region to region; list those of owner `amazon` named \
         `pv-grub-*` there",
    ),
    (
        &["InvalidRamdiskId.Malformed", "InvalidARIID.Malformed"],
        "a RAM disk id is `ari-` and 8 or 17 hexadecimal digits",
    ),
    (
        &["InvalidARIID.NotFound", "InvalidRamdiskId.NotFound"],
        "RAM disk images differ from region to region, and PV-GRUB kernels need none",
    ),
    (&["InvalidSnapshot.NotFound"], "check the snapshot's id and region"),
    (
        &["InvalidParameterCombination"],
        "HVM images take no kernel or RAM disk; enhanced networking is for HVM only; a boot mode \
         has to fit the architecture",
    ),
    (
        &["InvalidParameterValue", "InvalidParameter", "MissingParameter", "UnknownParameter"],
        "check the value that EC2 names: architecture, virtualization type, boot mode and the \
         region's own limits",
    ),
    (
        &[
            "AuthFailure",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "UnrecognizedClientException",
            "MissingAuthenticationToken",
        ],
        "check the access key, and whether its account uses this region and partition",
    ),
    (
        &["SignatureDoesNotMatch", "IncompleteSignature"],
        "check the secret access key, and whether a proxy changes requests",
    ),
    (
        &["RequestExpired", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"],
        "the session has ended, or the machine's clock is wrong: log in again, and compare the \
         clock with a time server",
    ),
    (
        &["OptInRequired"],
        "the account is not subscribed to EC2, or the region has to be enabled for it",
    ),
    (&["PendingVerification"], "AWS is still verifying the account; try again in some hours"),
    (&["Blocked"], "AWS has blocked the account; its support knows why"),
    (&["OrganizationsNotInUse"], "the account is in no organization; share with accounts instead"),
    (
        &["OrganizationNotFound", "InvalidOrganization", "OrganizationalUnitNotFound"],
        "check the ARN: only the caller's own organization and its units can be named",
    ),
    (
        &["OrganizationsAccessDenied"],
        "the organization has not enabled sharing with EC2, or the caller may not read it",
    ),
    (
        &[
            "AMILimitExceeded",
            "ResourceLimitExceeded",
            "ImageQuotaExceeded",
            "PublicAMILimitExceeded",
        ],
        "the account has as many images as it may have: deregister some, or ask for a higher quota",
    ),
    (
        &["IdempotentParameterMismatch", "IdempotentClientTokenMismatch"],
        "the client token was used for another request before; take a new one",
    ),
    (&["TagLimitExceeded"], "an image has 50 tags at most"),
    (&["InvalidImageAttribute"], "S3-backed images do not have this attribute"),
    (
        &["InvalidAction", "UnsupportedOperation"],
        "this endpoint, or this region, does not have the operation",
    ),
];
