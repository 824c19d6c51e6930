//! Archives of all known forms, and archives that must be refused.

use baler_image::{Memory, MemorySink};

use super::*;

/// Reads an archive in pieces of `piece` bytes as an image of `len` bytes.
fn open(archive: &[u8], len: u64, piece: usize) -> Result<Vec<u8>, String> {
    let mut image = Memory::default();
    let mut sink = Box::new(MemorySink::new(&mut image));
    let mut pieces = archive.chunks(piece);
    let mut next = || pieces.next().map(|piece| Ok(piece.to_vec()));
    let result = read(Stream::new(&mut next), len, &mut *sink, &|_| {});
    let text = |error: Error| {
        let text = error.to_string();
        text.strip_prefix("reading the archive in the parts: ")
            .expect("an archive's error")
            .to_owned()
    };
    let digest = result.map_err(text)?;
    assert_eq!(digest, Sha1Digest::new(Sha1::digest(archive).into()));
    // The reader leaves the commit to its caller.
    sink.commit().unwrap();
    Ok(image.into_bytes())
}

/// Checks that `archive` is that image, whatever the pieces in which it comes.
#[track_caller]
fn check(archive: &[u8], image: &[u8]) {
    for piece in [archive.len().max(1), 511, 7] {
        let out = open(archive, image.len() as u64, piece);
        assert!(out.as_deref() == Ok(image), "{:?}", out.map(|out| out.len()));
    }
}

/// Checks that `archive` is refused as an image of `len` bytes, for this reason.
#[track_caller]
fn refused(archive: &[u8], len: u64, why: &str) {
    assert_eq!(open(archive, len, 1000), Err(why.to_owned()));
}

fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    field[..width].copy_from_slice(format!("{value:0width$o}").as_bytes());
}

fn base_256(field: &mut [u8], value: u64) {
    let at = field.len() - 8;
    field[..at].fill(0);
    field[0] = 0x80;
    field[at..].copy_from_slice(&value.to_be_bytes());
}

fn seal(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn header(flag: u8, size: u64) -> [u8; 512] {
    let mut header = [0; 512];
    header[..5].copy_from_slice(b"image");
    octal(&mut header[124..136], size);
    header[156] = flag;
    header[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut header);
    header
}

/// A header with one more change.
fn changed(flag: u8, size: u64, change: impl Fn(&mut [u8; 512])) -> [u8; 512] {
    let mut header = header(flag, size);
    change(&mut header);
    seal(&mut header);
    header
}

/// Fills `bytes` up to a whole number of blocks.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Makes an archive: the blocks, the two that end it, and zeros to the end of a record.
fn archive(blocks: &[&[u8]], record: usize) -> Vec<u8> {
    let mut archive = blocks.concat();
    archive.resize((archive.len() + 1024).next_multiple_of(record), 0);
    archive
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8 | 1).collect()
}

/// An image with `count` runs of data, each after a hole, and with a hole at its end if `tail` is set.
fn sparse(count: usize, tail: bool) -> (Vec<u8>, Vec<(u64, u64)>) {
    let (mut image, mut map) = (Vec::new(), Vec::new());
    for index in 0..count {
        image.resize(image.len() + 512 * (index % 3 + 1), 0);
        let len = 512 * (index % 2 + 1) + if index + 1 == count { 100 } else { 0 };
        map.push((image.len() as u64, len as u64));
        image.extend(bytes(len));
    }
    if tail || count == 0 {
        image.resize(image.len() + 5000, 0);
        map.push((image.len() as u64, 0));
    }
    (image, map)
}

fn data(image: &[u8], map: &[(u64, u64)]) -> Vec<u8> {
    let runs = map.iter().map(|&(at, len)| &image[at as usize..(at + len) as usize]);
    padded(&runs.collect::<Vec<_>>().concat())
}

fn stored(map: &[(u64, u64)]) -> u64 {
    map.iter().map(|(_, len)| len).sum()
}

fn old_gnu(real_size: u64, size: u64, map: &[(u64, u64)]) -> Vec<u8> {
    fn pairs(field: &mut [u8], map: &[(u64, u64)]) {
        for (field, &(at, len)) in field.chunks_exact_mut(24).zip(map) {
            octal(&mut field[..12], at);
            octal(&mut field[12..], len);
        }
    }
    let (first, rest) = map.split_at(map.len().min(4));
    let mut out = changed(b'S', size, |header| {
        pairs(&mut header[386..482], first);
        header[482] = u8::from(!rest.is_empty());
        octal(&mut header[483..495], real_size);
    })
    .to_vec();
    let mut more = rest.chunks(21).peekable();
    while let Some(some) = more.next() {
        let mut block = [0; 512];
        pairs(&mut block[..504], some);
        block[504] = u8::from(more.peek().is_some());
        out.extend(block);
    }
    out
}

fn pax(records: &[(&str, String)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let len = (rest..).find(|len| len.to_string().len() + rest == *len).unwrap();
        text.push_str(&format!("{len} {key}={value}\n"));
    }
    [header(b'x', text.len() as u64).to_vec(), padded(text.as_bytes())].concat()
}

#[test]
fn plain_members() {
    for len in [0, 1, 511, 512, 513, 10_240, 70_001] {
        let image = bytes(len);
        for flag in [b'0', b'7', 0] {
            for record in [512, 10_240, 1 << 20] {
                check(&archive(&[&header(flag, len as u64), &padded(&image)], record), &image);
            }
        }
        // No end of the archive at all.
        check(&[header(b'0', len as u64).to_vec(), padded(&image)].concat(), &image);
    }
}

#[test]
fn numbers_in_every_form() {
    let image = bytes(1000);
    type Form = fn(&mut [u8]);
    let forms: [Form; 7] = [
        |size| base_256(size, 1000),
        |size| size.copy_from_slice(b"00000001750 "),
        |size| size.copy_from_slice(b"       1750 "),
        |size| size.copy_from_slice(b"     1750 \0\0"),
        |size| size.copy_from_slice(b"1750\0\0\0\0\0\0\0\0"),
        |size| size.copy_from_slice(b"000000001750"),
        |size| size.copy_from_slice(b"1750\0garbage"),
    ];
    for form in forms {
        let header = changed(b'0', 0, |header| form(&mut header[124..136]));
        check(&archive(&[&header, &padded(&image)], 512), &image);
    }
    for (size, shown) in [
        (&b"00000001758\0"[..], "00000001758\\x00"),
        (b"-0000001750\0", "-0000001750\\x00"),
        (b"0x3e8\0\0\0\0\0\0\0", "0x3e8\\x00\\x00\\x00\\x00\\x00\\x00\\x00"),
        (
            b"\x80\x00\x00\x01\0\0\0\0\0\0\x03\xe8",
            "\\x80\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xe8",
        ),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", &"\\xff".repeat(12)),
    ] {
        let header = changed(b'0', 0, |header| header[124..136].copy_from_slice(size));
        let why = format!("a header's size is not a number: `{shown}`");
        refused(&archive(&[&header, &padded(&image)], 512), 1000, &why);
    }
}

#[test]
fn checksums_of_old_and_new_writers() {
    let image = bytes(5);
    let mut header = changed(b'0', 5, |header| header[0] = 0xe9);
    check(&archive(&[&header, &padded(&image)], 512), &image);
    // Bytes taken for signed ones.
    let at = 148..156;
    let signed = header
        .iter()
        .enumerate()
        .map(|(index, &byte)| i64::from(if at.contains(&index) { b' ' } else { byte } as i8));
    let signed = format!("{:06o}\0 ", signed.sum::<i64>());
    header[at].copy_from_slice(signed.as_bytes());
    check(&archive(&[&header, &padded(&image)], 512), &image);
    header[0] ^= 1;
    refused(&archive(&[&header, &padded(&image)], 512), 5, "a header's checksum is wrong");
}

#[test]
fn old_gnu_sparse_members() {
    for count in [0, 1, 3, 4, 5, 24, 25, 26, 46, 47, 60] {
        for tail in [false, true] {
            let (image, map) = sparse(count, tail);
            let head = old_gnu(image.len() as u64, stored(&map), &map);
            check(&archive(&[&head, &data(&image, &map)], 10_240), &image);
        }
    }
    // An extension block that is announced and empty.
    let (image, map) = sparse(2, true);
    let mut head = old_gnu(image.len() as u64, stored(&map), &map);
    head[482] = 1;
    seal(head.first_chunk_mut().unwrap());
    head.extend([0; 512]);
    check(&archive(&[&head, &data(&image, &map)], 512), &image);
}

#[test]
fn pax_sparse_members() {
    for count in [0, 1, 4, 60, 300] {
        for tail in [false, true] {
            let (image, map) = sparse(count, tail);
            let (size, len) = (stored(&map), image.len().to_string());
            let data = data(&image, &map);

            let mut records = vec![
                ("GNU.sparse.size", len.clone()),
                ("GNU.sparse.numblocks", map.len().to_string()),
            ];
            for (at, len) in &map {
                records.push(("GNU.sparse.offset", at.to_string()));
                records.push(("GNU.sparse.numbytes", len.to_string()));
            }
            check(&archive(&[&pax(&records), &header(b'0', size), &data], 512), &image);

            let list: Vec<_> = map.iter().map(|(at, len)| format!("{at},{len}")).collect();
            let records = [
                ("GNU.sparse.major", "0".into()),
                ("GNU.sparse.minor", "1".into()),
                ("GNU.sparse.name", "image".into()),
                ("GNU.sparse.size", len.clone()),
                ("GNU.sparse.numblocks", map.len().to_string()),
                ("GNU.sparse.map", list.join(",")),
            ];
            check(&archive(&[&pax(&records), &header(b'0', size), &data], 512), &image);

            let list: String = map.iter().map(|(at, len)| format!("{at}\n{len}\n")).collect();
            let list = padded(format!("{}\n{list}", map.len()).as_bytes());
            let records = [
                ("GNU.sparse.major", "1".into()),
                ("GNU.sparse.minor", "0".into()),
                ("GNU.sparse.name", "image".into()),
                ("GNU.sparse.realsize", len),
            ];
            let header = header(b'0', size + list.len() as u64);
            check(&archive(&[&pax(&records), &header, &list, &data], 512), &image);
        }
    }
}

#[test]
fn headers_that_say_nothing_of_the_image() {
    let image = bytes(3000);
    let long = [header(b'L', 201).to_vec(), padded(&[b'n'; 201])].concat();
    let link = [header(b'K', 700).to_vec(), padded(&[b'l'; 700])].concat();
    let times = pax(&[("mtime", "1.5".into()), ("path", "../../etc/passwd".into())]);
    let mut global = pax(&[("comment", "none".into())]);
    global[156] = b'g';
    seal(global.first_chunk_mut().unwrap());
    let member = [header(b'0', 3000).to_vec(), padded(&image)].concat();
    for before in
        [&[&long[..]][..], &[&link], &[&times], &[&global], &[&global, &times, &long, &link]]
    {
        check(&archive(&[before, &[&member]].concat(), 10_240), &image);
    }
    // The size that does not fit the header, as POSIX has it.
    let size = pax(&[("size", "3000".into())]);
    check(&archive(&[&size, &header(b'0', 0), &padded(&image)], 512), &image);
}

#[test]
fn what_is_no_image() {
    let image = bytes(1024);
    for (flag, what) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'5', "a directory"),
        (b'D', "a directory"),
        (b'6', "a named pipe"),
        (b'M', "of type `M`"),
        (b'V', "of type `V`"),
        (0xff, "of type `\\xff`"),
    ] {
        let why = format!("its member is {what}, not a file");
        refused(&archive(&[&header(flag, 1024), &image], 512), 1024, &why);
    }
    refused(&[], 1024, "it ends in the middle");
    refused(&[0; 10_240], 1024, "it has no member");
    refused(&bytes(2000), 1024, "a header's checksum is not a number: `\\r\\x13\\x1b!)/7=`");
    let why = "a header of 60000000 bytes is more than 50331648";
    refused(&archive(&[&header(b'x', 60_000_000), &image], 512), 1024, why);
}

#[test]
fn members_of_another_length() {
    let image = bytes(1024);
    let whole = archive(&[&header(b'0', 1024), &image], 10_240);
    for len in [0, 1023, 1025, u64::MAX] {
        refused(&whole, len, &format!("the image has 1024 bytes, the manifest says {len}"));
    }
    let huge = changed(b'0', 0, |header| base_256(&mut header[124..136], u64::MAX));
    let why = "the image has 18446744073709551615 bytes, the manifest says 1024";
    refused(&archive(&[&huge, &image], 512), 1024, why);
}

#[test]
fn what_stands_behind_the_image() {
    let image = bytes(700);
    let member = [header(b'0', 700).to_vec(), padded(&image)].concat();
    let why = "there is something after the image: a second member, or garbage";
    refused(&archive(&[&member, &member], 512), 700, why);
    refused(&archive(&[&member, &[0; 1024], b"x"], 512), 700, why);
    refused(&archive(&[&member, &header(b'2', 0)], 512), 700, why);
    check(&[&member[..], &vec![0; 1 << 20]].concat(), &image);
    refused(
        &[&member[..], &vec![0; (1 << 20) + 1]].concat(),
        700,
        "too many zeros follow the image",
    );
}

#[test]
fn an_archive_cut_anywhere() {
    let (image, map) = sparse(30, true);
    let list: Vec<_> = map.iter().map(|(at, len)| format!("{at},{len}")).collect();
    let records =
        [("GNU.sparse.size", image.len().to_string()), ("GNU.sparse.map", list.join(","))];
    let data = data(&image, &map);
    for whole in [
        [old_gnu(image.len() as u64, stored(&map), &map), data.clone()].concat(),
        [pax(&records), header(b'0', stored(&map)).to_vec(), data].concat(),
    ] {
        check(&whole, &image);
        for len in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
            refused(&whole[..len], image.len() as u64, "it ends in the middle");
        }
    }
}

#[test]
fn maps_that_do_not_fit() {
    let check = |len: u64, size: u64, map: &[(u64, u64)], why: &str| {
        let data = vec![1; 4096];
        refused(&archive(&[&old_gnu(len, size, map), &data], 512), len, why);
        let list: Vec<_> = map.iter().map(|(at, len)| format!("{at},{len}")).collect();
        let records = [("GNU.sparse.size", len.to_string()), ("GNU.sparse.map", list.join(","))];
        refused(&archive(&[&pax(&records), &header(b'0', size), &data], 512), len, why);
    };
    check(4096, 1024, &[(0, 1024), (512, 512)], "entry 1 of the sparse map does not fit the image");
    check(4096, 1024, &[(1024, 512), (0, 512)], "entry 1 of the sparse map does not fit the image");
    check(4096, 1024, &[(3584, 1024)], "entry 0 of the sparse map does not fit the image");
    check(4096, 512, &[(0, 512), (4097, 0)], "entry 1 of the sparse map does not fit the image");
    check(4096, 512, &[(0, 1024)], "the sparse map has 1024 bytes, the member 512");
    check(4096, 1024, &[(0, 512)], "the sparse map has 512 bytes, the member 1024");
    check(4096, 512, &[(4096, 0)], "the sparse map has 0 bytes, the member 512");
    // More than there are bytes.
    let records =
        [("GNU.sparse.size", "4096".into()), ("GNU.sparse.map", format!("512,{}", u64::MAX))];
    let why = "entry 0 of the sparse map does not fit the image";
    refused(&archive(&[&pax(&records), &header(b'0', 512)], 512), 4096, why);
}

#[test]
fn damaged_records_and_maps() {
    let check = |records: &[(&str, &str)], list: &str, why: &str| {
        let records: Vec<_> = records.iter().map(|(key, value)| (*key, (*value).into())).collect();
        let list = padded(list.as_bytes());
        let header = header(b'0', list.len() as u64);
        refused(&archive(&[&pax(&records), &header, &list], 512), 512, why);
    };
    check(&[("size", "many")], "", "pax record `size` is not a number");
    check(&[("GNU.sparse.major", "2")], "", "sparse format 2 is not known");
    check(&[("GNU.sparse.map", "0,512")], "", "it has a sparse map, but not the image's length");
    check(
        &[("GNU.sparse.size", "512"), ("GNU.sparse.map", "0,512,7")],
        "",
        "the sparse map has half an entry",
    );
    check(
        &[("GNU.sparse.size", "512"), ("GNU.sparse.map", "0,5 12")],
        "",
        "the sparse map is damaged",
    );
    let newest = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "512")];
    check(&newest, "1\n0\nx\n", "the sparse map is damaged");
    check(&newest, "\n0\n1\n", "the sparse map is damaged");
    check(&newest, &"1".repeat(600), "the sparse map is damaged");
    check(&newest, "9999999\n", "the sparse map has more than 5000000 entries");
    check(&newest, "3\n0\n1\n", "the sparse map is damaged");
    check(&newest, "300\n", "the sparse map is damaged");
    let list = format!("200\n{}", "0\n0\n".repeat(127));
    check(&newest, &list[..512], "the sparse map is longer than the member");

    for text in
        ["12 size=7\n", "11 size=77", "x size=7\n", "99 size=7\n", "0 \n", "11 size_77\n", " \n"]
    {
        let record = [header(b'x', text.len() as u64).to_vec(), padded(text.as_bytes())].concat();
        refused(&archive(&[&record, &header(b'0', 512)], 512), 512, "a pax record is damaged");
    }
}
