//! HTTP and TLS.

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64ct::{Base64, Encoding as _};

use crate::error::SetupError;

/// A client that speaks TLS with the machine's roots of trust or, where it has none, with Mozilla's.
pub(crate) fn http_client() -> Result<SharedHttpClient, SetupError> {
    let has_own = !rustls_native_certs::load_native_certs().certs.is_empty();
    let trust = if has_own {
        TrustStore::default()
    } else {
        webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .fold(TrustStore::empty(), |trust, der| trust.with_pem_certificate(pem(der)))
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| SetupError::Tls(error.into()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

fn pem(der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_that_are_built_in_are_accepted() {
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        assert!(roots.len() > 100);
        let trust = roots
            .iter()
            .fold(TrustStore::empty(), |trust, der| trust.with_pem_certificate(pem(der)));
        TlsContext::builder().with_trust_store(trust).build().expect("a context");
        let first = pem(roots.first().expect("a root"));
        assert!(first.lines().all(|line| line.len() <= 64), "{first}");
    }
}
