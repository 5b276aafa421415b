//! The names of a client's certificate.

use std::net::IpAddr;

/// Object identifier 2.5.29.17, subjectAltName, in DER.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `extensions [3]` of a TBSCertificate (RFC 5280 section 4.1).
const EXTENSIONS: u8 = 0xa3;
/// The kinds of GeneralName that have a text (RFC 5280 section 4.2.1.6).
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Whether one of `allowed` is exactly a DNS, e-mail, IP or URI name of the certificate, which is in DER and has
/// been verified. One whose names cannot be read has none.
pub(super) fn matches_any(certificate: &[u8], allowed: &[String]) -> bool {
    let Some(names) = alternative_names(certificate) else {
        return false;
    };
    elements(names).any(|(kind, value)| allowed.iter().any(|name| is_name(kind, value, name)))
}

fn is_name(kind: u8, value: &[u8], name: &str) -> bool {
    match kind {
        EMAIL | DNS | URI => value == name.as_bytes(),
        IP => name.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => value == address.octets(),
            IpAddr::V6(address) => value == address.octets(),
        }),
        _ => false,
    }
}

/// What is in the SEQUENCE of GeneralNames.
fn alternative_names(certificate: &[u8]) -> Option<&[u8]> {
    let certificate = only(certificate, SEQUENCE)?;
    let (_, to_be_signed) = elements(certificate).next().filter(|(tag, _)| *tag == SEQUENCE)?;
    let (_, extensions) = elements(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    elements(only(extensions, SEQUENCE)?).find_map(|(_, extension)| {
        let mut parts = elements(extension).filter(|(tag, _)| *tag != BOOLEAN);
        parts
            .next()
            .filter(|found| *found == (OBJECT_IDENTIFIER, SUBJECT_ALTERNATIVE_NAME))?;
        let (_, value) = parts.next().filter(|(tag, _)| *tag == OCTET_STRING)?;
        only(value, SEQUENCE)
    })
}

/// The contents of the first element, which must have that tag.
fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    elements(bytes)
        .next()
        .filter(|(found, _)| *found == tag)
        .map(|(_, contents)| contents)
}

/// The elements of DER that follow one another, as tag and contents; ends at the first that cannot be read.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&tag, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // No certificate is longer than the 16 MiB that three bytes can say.
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (
                    length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                    rest,
                )
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some((tag, contents))
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .to_vec()
    }

    #[test]
    fn each_kind_of_name_matches_exactly() {
        let der = certificate(vec![
            SanType::DnsName("test3".try_into().unwrap()),
            SanType::Rfc822Name("ops@example.com".try_into().unwrap()),
            SanType::URI("spiffe://example/scraper".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ]);
        for name in [
            "test3",
            "ops@example.com",
            "spiffe://example/scraper",
            "192.0.2.1",
            "2001:db8:0::1",
        ] {
            assert!(
                matches_any(&der, &["other".to_owned(), name.to_owned()]),
                "{name}"
            );
        }
        for name in ["test", "test33", "TEST3", "", "192.0.2.2", "example.com"] {
            assert!(!matches_any(&der, &[name.to_owned()]), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_no_names() {
        assert!(!matches_any(&certificate(vec![]), &[String::new()]));
        let der = certificate(vec![SanType::DnsName("test3".try_into().unwrap())]);
        for length in 0..der.len() {
            matches_any(&der[..length], &["test3".to_owned()]);
        }
        for position in 0..der.len() {
            let mut der = der.clone();
            der[position] = 0x84;
            matches_any(&der, &["test3".to_owned()]);
        }
    }
}
