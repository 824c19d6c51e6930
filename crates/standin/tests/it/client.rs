//! A client that can also do what no SDK does: sign for a wrong region, in the past, or stop within a body.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baler_standin::{Options, Standin};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A stand-in in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) standin: Standin,
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path().join("state"));
        change(&mut options);
        Self { standin: Standin::start(options).unwrap(), directory }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            address: self.standin.url().trim_start_matches("http://").to_owned(),
            access_key: self.standin.access_key().to_owned(),
            secret_key: self.standin.secret_key().to_owned(),
            region: "us-east-1".to_owned(),
            late: 0,
            host: None,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The text of the first element with this name.
    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let start = text.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
        start.split_once(&format!("</{name}>")).map_or("", |(inner, _)| inner).to_owned()
    }

    /// Status and error code, for comparing with what is expected.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.element("Code").as_str()), (status, code), "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn is_fine(&self) -> &Self {
        assert!(self.status < 300, "{} {}", self.status, self.text());
        self
    }
}

/// Who asks, and how.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
    /// How many seconds ago requests are said to be made.
    pub(crate) late: i64,
    /// Another name for the host than its address.
    pub(crate) host: Option<String>,
}

impl Client {
    pub(crate) fn region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// An S3 request; the path may have a query.
    pub(crate) fn s3(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.send("s3", method, path, headers, body).unwrap()
    }

    /// A call to EC2, `Name=foo&…` behind the action.
    pub(crate) fn ec2(&self, action: &str, parameters: &str) -> Reply {
        self.form("ec2", &format!("Action={action}&Version=2016-11-15&{parameters}"))
    }

    pub(crate) fn form(&self, service: &str, form: &str) -> Reply {
        let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        self.send(service, "POST", "/", &[kind], form.as_bytes()).unwrap()
    }

    pub(crate) fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut stream = self.begin(service, method, path, headers, body)?;
        stream.write_all(body)?;
        receive(&mut stream, method)
    }

    /// Connects and sends the head of a request for this body.
    pub(crate) fn begin(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let head = self.head(service, method, path, headers, body);
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }

    fn head(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let date = date(self.late);
        let (day, _) = date.split_once('T').unwrap();
        let digest = hex(&Sha256::digest(body));
        let host = self.host.clone().unwrap_or_else(|| self.address.clone());
        let mut all = vec![("host".to_owned(), host), ("x-amz-date".to_owned(), date.clone())];
        if service == "s3" {
            all.push(("x-amz-content-sha256".to_owned(), digest.clone()));
        }
        for (name, value) in headers {
            all.retain(|(other, _)| other != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let payload = all
            .iter()
            .find(|(name, _)| name == "x-amz-content-sha256")
            .map_or(&digest, |(_, value)| value);
        let mut signed = all.clone();
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let mut pairs: Vec<String> =
            query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        pairs.iter_mut().filter(|pair| !pair.contains('=')).for_each(|pair| pair.push('='));
        pairs.sort();
        let request = format!(
            "{method}\n{bare}\n{}\n{lines}\n{}\n{payload}",
            pairs.join("&"),
            names.join(";")
        );
        let scope = format!("{day}/{}/{service}/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day, &self.region, service, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex(&hmac(&key, text.as_bytes()));
        let (access, names) = (&self.access_key, names.join(";"));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        let lines: String =
            all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\n{lines}authorization: {authorization}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
    }
}

/// A request without a signature.
pub(crate) fn plain(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    receive(&mut stream, method).unwrap_or(Reply {
        status: 0,
        headers: Vec::new(),
        body: Vec::new(),
    })
}

/// Reads an answer to its end; an answer that ends early is an error.
pub(crate) fn receive(stream: &mut TcpStream, method: &str) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let early = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(early)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let pair = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let reply = Reply {
        status: status.ok_or_else(early)?,
        headers: lines.filter_map(pair).collect(),
        body: Vec::new(),
    };
    if reply.header("transfer-encoding") == Some("chunked") {
        body = unchunk(&body).ok_or_else(early)?;
    } else if method != "HEAD"
        && reply.header("content-length").is_some_and(|length| length != body.len().to_string())
    {
        return Err(early());
    }
    Ok(Reply { body, ..reply })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend(bytes.get(end + 2..end + 2 + length)?);
        bytes = bytes.get(end + 4 + length..)?;
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of a body, as `Content-MD5` has it.
pub(crate) fn md5(body: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // 16 bytes: five groups of three, and one byte over.
    let bytes = [md5::Md5::digest(body).as_slice(), &[0, 0]].concat();
    let groups = bytes
        .chunks(3)
        .map(|group| group.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte)));
    let text: String = groups
        .flat_map(|value| [18, 12, 6, 0].map(|shift| char::from(digits[value >> shift & 63])))
        .take(22)
        .collect();
    format!("{text}==")
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner =
        Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// So many seconds ago as `20260102T030405Z`.
fn date(late: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .checked_add_signed(-late)
        .unwrap();
    let (mut day, second) = (now / 86_400, now % 86_400);
    let mut year = 1970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}{:02}{:02}T{hour:02}{minute:02}{second:02}Z", month + 1, day + 1)
}
