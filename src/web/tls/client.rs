//! Which clients may connect, by their certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::names;
use crate::shown::cut;

/// `client_auth_type`, with Go's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// No certificate is asked for.
    None,
    /// One is asked for, whoever issued it.
    Request,
    /// One must be given, whoever issued it.
    RequireAny,
    /// One that is given must be of an authority.
    VerifyIfGiven,
    /// One of an authority must be given.
    RequireAndVerify,
}

impl Policy {
    pub(super) fn read(name: &str) -> Result<Self, String> {
        Ok(match name {
            "" | "NoClientCert" => Self::None,
            "RequestClientCert" => Self::Request,
            "RequireAnyClientCert" | "RequireClientCert" => Self::RequireAny,
            "VerifyClientCertIfGiven" => Self::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Self::RequireAndVerify,
            other => return Err(format!("invalid ClientAuth: {}", cut(other))),
        })
    }

    fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }

    fn asks_who_issued(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// Judges the certificates of clients.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    is_mandatory: bool,
    issued_by: IssuedBy,
    /// With any, one of them must be a name of the certificate.
    allowed_names: Vec<String>,
}

/// Who must have issued a certificate.
#[derive(Debug)]
enum IssuedBy {
    Anybody,
    /// There is no authority: no certificate is good.
    Nobody,
    Authorities {
        verifier: Arc<dyn ClientCertVerifier>,
        certificates: Vec<CertificateDer<'static>>,
    },
}

impl Verifier {
    /// `authorities` are the certificates of the configured client CA, or the system's.
    pub(super) fn new(
        policy: Policy,
        authorities: Vec<CertificateDer<'static>>,
        allowed_names: Vec<String>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let issued_by = if policy.asks_who_issued() {
            IssuedBy::of(authorities, &provider)?
        } else {
            IssuedBy::Anybody
        };
        Ok(Self {
            provider,
            is_mandatory: policy.is_mandatory(),
            issued_by,
            allowed_names,
        })
    }
}

impl IssuedBy {
    fn of(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // A bundle may hold some that nobody can use; Go leaves them out too.
        roots.add_parsable_certificates(certificates.iter().cloned());
        if roots.is_empty() {
            return Ok(Self::Nobody);
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| format!("client CA: {error}"))?;
        Ok(Self::Authorities {
            verifier,
            certificates,
        })
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.issued_by {
            IssuedBy::Authorities { verifier, .. } => verifier.root_hint_subjects(),
            IssuedBy::Anybody | IssuedBy::Nobody => &[],
        }
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.issued_by {
            // That the client has the key of it is verified in any case, by the signature of the handshake.
            IssuedBy::Anybody => drop(ParsedCertificate::try_from(certificate)?),
            IssuedBy::Nobody => return Err(CertificateError::UnknownIssuer.into()),
            IssuedBy::Authorities {
                verifier,
                certificates,
            } => {
                let verified = verifier.verify_client_cert(certificate, intermediates, now);
                match verified {
                    Ok(_) => {}
                    Err(error)
                        if is_authority_itself(&error) && certificates.iter().any(|ca| ca == certificate) => {
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if !self.allowed_names.is_empty() && !names::matches_any(certificate, &self.allowed_names) {
            // Of the errors that become the alert "bad certificate", which upstream sends, the fitting one.
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Whether the one objection is that the certificate is marked as an authority (CA:TRUE).
///
/// `openssl req -x509` makes such certificates, people use one as both the client's certificate and its CA, and Go
/// accepts that. webpki looks at the validity before the mark, so an expired one has another error.
fn is_authority_itself(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
