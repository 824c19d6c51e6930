#!/usr/bin/env bash
# Tests with programs that we did not write: the suite of the stores and every verb on moto; AWS's command line reads what we
# wrote to the stand-in; and TLS, from the static binary in an empty chroot. Servers listen on 127.0.0.1 only; nothing leaves this machine.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_static
need_rust
need mke2fs=e2fsprogs openssl python3 unshare=util-linux
need_venv
# The whole workspace, as the stage `tests` built it: alone, a package has other features and would be compiled again.
cargo test --quiet --workspace --locked --no-run
new_work
no_aws
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=an-example-of-a-secret AWS_REGION=us-east-1

baler() { "$STATIC" "$@"; }
aws() { "$VENV/bin/aws" "$@"; }

# is WHAT GOT WANTED: fails unless GOT is WANTED.
is() { [[ $2 == "$3" ]] || die "$1: it is \`$2\`, and not \`$3\`"; }

# fails STATUS WORDS COMMAND...: fails unless the command ends with that status and prints those words.
fails() {
    local status=0 out
    out=$("${@:3}" 2>&1) || status=$?
    [[ $status == "$1" && $out == *"$2"* ]] || die "\`${*:3}\` ended with $status, not with $1 and \`$2\`: $out"
}

# field JSON EXPRESSION: prints a Python expression over `it`, the parsed JSON.
field() { python3 -c 'import json, sys; it = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$@"; }

export EC2_PRIVATE_KEY=$work/key.pem EC2_CERT=$work/cert.pem
baler keys new --quiet --key "$EC2_PRIVATE_KEY" --cert "$EC2_CERT" >/dev/null
mkdir "$work/tree"
cp -r /usr/include/linux "$work/tree"
head -c 22M /dev/urandom >"$work/tree/random"
disk=$work/disk.img
make_image "$disk" 64M "$work/tree"
manifest=s3://baler-images/web/disk.manifest.xml

# moto.

start_moto() {
    # Without its 1300 stock images. It takes any free port, and writes it to its log.
    MOTO_EC2_LOAD_DEFAULT_AMIS=false "$VENV/bin/moto_server" -H 127.0.0.1 -p 0 >"$work/moto.log" 2>&1 &
    servers+=($!)
    await 60 grep -q 'Running on http' "$work/moto.log"
    AWS_ENDPOINT_URL=$(grep -om1 'http://127.0.0.1:[0-9]*' "$work/moto.log")
    export AWS_ENDPOINT_URL
}

conforms() {
    BALER_TEST_S3_ENDPOINT=$AWS_ENDPOINT_URL cargo test --quiet --workspace --locked --test external >"$work/suite.log" 2>&1 ||
        die "$(<"$work/suite.log")"
    ok "moto: the suite of the stores"
}

# All verbs. Of an AMI moto keeps only its name and who may launch it; of the ACL `aws-exec-read`, nothing.
verbs() {
    local made ami copied
    fails 4 --create-bucket baler bundle "$disk" s3://baler-images/web --name disk --arch x86_64
    made=$(baler bundle "$disk" s3://baler-images/web --name disk --arch x86_64 --create-bucket)
    is "the manifest" "$made" "$manifest"
    baler verify "$manifest"
    is "the name" "$(field "$(baler inspect "$manifest" --json)" 'it["name"]')" disk
    baler unbundle "$manifest" "$work/back.img"
    cmp "$disk" "$work/back.img"
    ok "moto: bundle, verify, inspect, unbundle"

    baler copy "$manifest" "$work/down"
    baler verify "$work/down/disk.manifest.xml"
    baler copy "$work/down/disk.manifest.xml" s3://baler-images/up
    baler verify s3://baler-images/up/disk.manifest.xml
    baler copy "$manifest" s3://baler-others/copied --create-bucket
    baler verify s3://baler-others/copied/disk.manifest.xml
    fails 4 'shows none that lets EC2 read' baler check s3://baler-images/web
    ok "moto: copy down, up and from bucket to bucket, check"

    fails 4 --ignore-acl baler register "$manifest" --name "web 1" --virtualization hvm
    # On AWS, EC2 could not read this AMI.
    ami=$(baler register "$manifest" --name "web 1" --virtualization hvm --ignore-acl --wait)
    [[ $ami == ami-* ]] || die "register prints \`$ami\`"
    is "the AMI" "$(field "$(baler images --json)" '[(image["ami"], image["name"]) for image in it]')" "[('$ami', 'web 1')]"
    is "who may launch it" "$(baler share "$ami" --account 111122223333)" 111122223333
    is "who may launch it" "$(baler share "$ami" --show)" 111122223333
    is "who may launch it" "$(baler share "$ami" --account 111122223333 --remove)" ""
    copied=$(baler copy-image "$ami" --to eu-west-1 --name "web copy")
    is "the copy" "$(field "$(baler images --region eu-west-1 --json)" 'it[0]["ami"]')" "$copied"
    baler deregister "$ami" --yes
    is "AMIs" "$(baler images --json)" "[]"
    ok "moto: register, images, share, copy-image, deregister"

    baler remove "$manifest" --yes
    baler remove s3://baler-images/up --prefix disk --yes
    is "what is left" "$(aws s3 ls --recursive s3://baler-images)" ""
    fails 4 NoSuchKey baler verify "$manifest"
    ok "moto: remove, by manifest and by prefix"
}

# The stand-in.

EC2_GRANTEE=6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c # aws-exec-read lets this user read

reads() {
    local part sha1 at name ami image
    mkdir "$work/aws"
    start_standin "$work/aws"
    baler bundle "$disk" s3://baler-images/web --name disk --arch x86_64 --create-bucket --ec2-cert "$BALER_STANDIN_EC2_CERT"
    while read -r part sha1 name; do
        [[ $part == part ]] || continue
        # S3 has it in base64.
        at=$(aws s3api head-object --bucket baler-images --key "web/$name" --checksum-mode ENABLED --query ChecksumSHA1 --output text)
        is "the digest of $name" "$(base64 -d <<<"$at" | od -An -tx1 -v | tr -d ' \n')" "$sha1"
    done < <(baler inspect "$manifest")
    [[ ${at-} ]] || die "inspect lists no part"
    ok "AWS's command line: each part has its digest as S3 keeps it"

    for name in disk.manifest.xml disk.part.0; do
        is "the grant on $name" EC2 "$(aws s3api get-object-acl --bucket baler-images --key "web/$name" \
            --query "Grants[?Grantee.ID=='$EC2_GRANTEE' && Permission=='READ'] && 'EC2'" --output text)"
    done
    aws s3 cp --quiet --recursive s3://baler-images/web "$work/fetched"
    baler verify "$work/fetched/disk.manifest.xml"
    ok "AWS's command line: EC2 may read the objects, and they come back whole"

    ami=$(baler register "$manifest" --name "web 1" --virtualization hvm --wait)
    image=$(aws ec2 describe-images --owners self --query 'Images[].[ImageId,ImageLocation,RootDeviceType,VirtualizationType,State]' --output text)
    is "the AMI" "$image" "$ami"$'\t'"baler-images/web/disk.manifest.xml"$'\tinstance-store\thvm\tavailable'
    baler share "$ami" --account 111122223333
    image=$(aws ec2 describe-image-attribute --image-id "$ami" --attribute launchPermission --query 'LaunchPermissions[].UserId' --output text)
    is "who may launch it" "$image" 111122223333
    ok "AWS's command line: the AMI and who may launch it"
}

# TLS. The stand-in has none; `forward` adds it, with a certificate for 127.0.0.1.

forward() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout "$work/ca.key" -out "$work/ca.pem"
    openssl req -newkey rsa:2048 -nodes -subj /CN=loopback -keyout "$work/tls.key" -out "$work/tls.csr"
    openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -set_serial 2 -days 2 -out "$work/tls.pem" \
        -extfile <(printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n')
    python3 - "$work" "${AWS_ENDPOINT_URL##*:}" <<'PYTHON' &
import socket, ssl, sys, threading

work, port = sys.argv[1], int(sys.argv[2])
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(f"{work}/tls.pem", f"{work}/tls.key")


def carry(source, to):
    try:
        while data := source.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        to.close()


def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:  # the client does not trust us
        return
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=carry, args=(client, server), daemon=True).start()
    carry(server, client)


with socket.create_server(("127.0.0.1", 0)) as listener:
    with open(f"{work}/tls.port", "w") as file:
        print(listener.getsockname()[1], file=file)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PYTHON
    servers+=($!)
    await 30 grep -q . "$work/tls.port"
}

tls() {
    local root=$work/root enter=(chroot) url
    if ((EUID != 0)); then
        enter=(unshare --user --map-root-user chroot)
        if ! "${enter[@]}" / true 2>/dev/null; then
            skip "TLS was not tried in an empty chroot: that takes root or unprivileged user namespaces"
            return
        fi
    fi
    forward 2>"$work/openssl.log" || die "$(<"$work/openssl.log")"
    url=https://127.0.0.1:$(<"$work/tls.port")
    mkdir "$root"
    cp "$STATIC" "$root/baler"
    cp "$disk" "$work/ca.pem" "$EC2_PRIVATE_KEY" "$EC2_CERT" "$root"
    inside() { env AWS_ENDPOINT_URL="$url" EC2_PRIVATE_KEY=/key.pem EC2_CERT=/cert.pem "${enter[@]}" "$root" /baler "$@"; }
    trusting() { SSL_CERT_FILE=/ca.pem inside "$@"; }

    # At the first attempt: another one does not change a certificate. To find the issuer unknown, the client must have
    # certificate authorities: these are Mozilla's, in the binary.
    fails 1 UnknownIssuer inside verify "$manifest"
    fails 1 SSL_CERT_FILE inside images
    grep -qa 'Amazon Root CA 1' "$STATIC" || die "Mozilla's certificate authorities are not in $STATIC"
    ok "TLS without a certificate store: an unknown issuer is refused"
    trusting bundle /disk.img s3://baler-images/tls --name disk --arch x86_64
    trusting verify s3://baler-images/tls/disk.manifest.xml
    is "AMIs" "$(trusting images --json | grep -o '"ami":')" '"ami":'
    trusting unbundle s3://baler-images/tls/disk.manifest.xml /back.img
    cmp "$disk" "$root/back.img"
    ok "TLS from the static binary: bundle, verify and unbundle with SSL_CERT_FILE"
}

start_moto
conforms
verbs
reads
tls
