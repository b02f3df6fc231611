//! From the TLS settings to a TLS client: root certificates, verifier, client certificate.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::TlsSetupError;
use super::verifier::NamelessVerifier;
use crate::settings::{ClientCertificate, Roots, TlsSettings, Verification};

/// libpq names the protocol as well; a server that expects TLS at once (`sslnegotiation=direct`) insists on it.
const PROTOCOL: &[u8] = b"postgresql";

/// Builds the TLS client for `settings`; reads the certificate files.
pub(super) fn client(settings: &TlsSettings) -> Result<MakeRustlsConnect, TlsSetupError> {
    // Named, not the process's default: that one depends on which crates are linked.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Rejected)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(&settings.verification, &provider)?);
    let mut config = match &settings.client_certificate {
        Some(files) => {
            let (chain, key) = own_certificate(files)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsSetupError::Rejected)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// To be said of a connection that is there: before it, nothing is encrypted.
pub(super) fn warn_of_unchecked(settings: &TlsSettings) {
    if settings.mode == SslMode::Require && settings.verification == Verification::None {
        tracing::warn!(
            "the connection is encrypted, but the server's certificate is not checked: \
             set sslmode=verify-full and sslrootcert"
        );
    }
}

fn verifier(
    verification: &Verification,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsSetupError> {
    let algorithms = provider.signature_verification_algorithms;
    let nameless = |roots| Arc::new(NamelessVerifier { roots, algorithms });
    Ok(match verification {
        Verification::None => nameless(None),
        Verification::Chain(file) => nameless(Some(roots(file)?)),
        Verification::ChainAndName(Roots::File(file)) => {
            WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots(file)?),
                Arc::clone(provider),
            )
            .build()
            .map_err(|error| TlsSetupError::Rejected(rustls::Error::General(error.to_string())))?
        }
        Verification::ChainAndName(Roots::System) => Arc::new(
            rustls_platform_verifier::Verifier::new(Arc::clone(provider))
                .map_err(TlsSetupError::Rejected)?,
        ),
    })
}

fn roots(file: &Path) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(TlsSetupError::Rejected)?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let unreadable = |source| TlsSetupError::Pem {
        what: "certificates",
        path: file.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsSetupError::NoCertificate {
            path: file.to_owned(),
        });
    }
    Ok(found)
}

fn own_certificate(
    files: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsSetupError> {
    let metadata = std::fs::metadata(&files.key).map_err(|source| TlsSetupError::Unreadable {
        path: files.key.clone(),
        source,
    })?;
    // As in libpq: the owner alone, or root's key that a group may read.
    let hidden = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & hidden != 0 {
        return Err(TlsSetupError::ExposedKey {
            path: files.key.clone(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsSetupError::Pem {
        what: "a private key without passphrase",
        path: files.key.clone(),
        source,
    })?;
    Ok((certificates(&files.certificate)?, key))
}
