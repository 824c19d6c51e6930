# Runs the classic commands as AWS's guide and Packer type them, until an instance starts. Sourced by scripts/boot-test.
# shellcheck shell=bash
# The stand-in opens the bundle as EC2 does: with openssl, gzip and tar, and a key of its own.

# classic_setup NAME: starts a stand-in for AWS, makes the old names, copies the user's key and certificate.
classic_setup() {
    # This runs in a subshell of its own.
    trap end_servers EXIT
    local home=$work/$1
    mkdir "$home" "$home/bin" "$home/cert" "$home/bundle"
    no_aws
    unset AWS_EC2_METADATA_DISABLED
    start_standin "$home/aws"
    run "$STATIC" install-links "$home/bin"
    cp "$work/key.pem" "$work/cert.pem" "$home/cert"
    aws=$VENV/bin/aws
}

# registered NAME COMMAND...: runs a command that registers an AMI; writes the root image of an instance of it to NAME.img.
registered() {
    local ami
    ami=$("${@:2}" | grep -o 'ami-[0-9a-f]*')
    "$STANDIN" launch --directory "$work/$1/aws" "$ami" "$work/$1.img"
}

# AWS's guide for an HVM image: GPT, a bucket of one's own, and the AWS command line to register.
case_classic-hvm() {
    classic_setup classic-hvm
    local home=$work/classic-hvm said
    cd "$home"
    PATH=$home/bin:$PATH
    # The stand-in's EC2 has a key of its own, and the tree is not that of this machine.
    run ec2-bundle-vol -k "$home/cert/key.pem" -c "$home/cert/cert.pem" -u 1234-5678-9012 -r x86_64 -e /var/cache --partition gpt \
        -v "$root" -d "$home/bundle" --ec2cert "$BALER_STANDIN_EC2_CERT" --generate-fstab --no-inherit --batch
    said=$(ec2-upload-bundle -b "my-s3-bucket/bundle_folder/bundle_name" -m "$home/bundle/image.manifest.xml" -a "$AWS_ACCESS_KEY_ID" -s "$AWS_SECRET_ACCESS_KEY")
    grep -qx 'Manifest uploaded to: my-s3-bucket/bundle_folder/bundle_name/image.manifest.xml' <<<"$said" || die "$said"
    rm "$home"/bundle/image.{manifest.xml,part.*}
    [[ -z $(ls -A "$home/bundle") ]] || die "something is left beside the bundle: $(ls -A "$home/bundle")"
    registered classic-hvm "$aws" ec2 register-image --image-location my-s3-bucket/bundle_folder/bundle_name/image.manifest.xml \
        --name AMI_name --virtualization-type hvm
    cd "$ROOT"
    run e2fsck -fn "$work/classic-hvm.img?offset=$(offset "$work/classic-hvm.img")"
    boot "$work/classic-hvm.img" --token booted --bus nvme
}

# Packer's two default command lines, verbatim, on the machine that is bundled; it is paravirtual.
case_classic-pv() {
    classic_setup classic-pv
    local home=$work/classic-pv machine=$work/classic-pv/machine line
    cp -a --reflink=auto "$root" "$machine"
    echo '/dev/vda / ext4 defaults 0 1' >"$machine/etc/fstab"
    install -m 755 "$STATIC" "$machine/usr/local/bin/baler"
    run chroot "$machine" /usr/local/bin/baler install-links /usr/local/bin
    # The root has no sudo; this is root already.
    install -m 755 /dev/stdin "$machine/usr/local/bin/sudo" <<<$'#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"'
    install -m 600 "$work/key.pem" "$machine/tmp/key.pem"
    cp "$work/cert.pem" "$machine/tmp/cert.pem"
    cp "$BALER_STANDIN_EC2_CERT" "$machine/etc/ec2-cert.crt"
    export EUCALYPTUS_CERT=/etc/ec2-cert.crt
    line='sudo -i -n ec2-bundle-vol -k /tmp/key.pem -u 123456789012 -c /tmp/cert.pem -r x86_64 -e /tmp/* -d /tmp -p image-1700000000 --batch --no-filter'
    run chroot "$machine" sh -c "$line"
    line="sudo -i -n ec2-upload-bundle -b packer-images -m /tmp/image-1700000000.manifest.xml -a $AWS_ACCESS_KEY_ID -s $AWS_SECRET_ACCESS_KEY -d /tmp --batch --region us-east-1 --retry"
    run chroot "$machine" sh -c "$line"
    registered classic-pv "$aws" ec2 register-image --image-location packer-images/image-1700000000.manifest.xml \
        --name 'packer 1700000000' --virtualization-type paravirtual --kernel-id aki-5c21674b
    run e2fsck -fn "$work/classic-pv.img"
    rm -r "$machine"
    boot "$work/classic-pv.img" --kernel --token booted | tee "$work/classic-pv.out"
    [[ -z $(debugfs -R 'ls -p /tmp' "$work/classic-pv.img" 2>/dev/null | grep -E 'key|cert') ]] || die "the key is in the image"
}
