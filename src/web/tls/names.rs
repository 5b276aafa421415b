//! The names of a client's certificate.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Whether one of `allowed` is exactly a DNS, e-mail, IP or URI name of the certificate, which is in DER and has
/// been verified. One whose names cannot be read has none.
pub(super) fn matches_any(certificate: &[u8], allowed: &[String]) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else {
        return false;
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    let mut names = names.value.general_names.iter();
    names.any(|found| allowed.iter().any(|name| is_name(found, name)))
}

fn is_name(found: &GeneralName<'_>, name: &str) -> bool {
    match found {
        GeneralName::RFC822Name(text) | GeneralName::DNSName(text) | GeneralName::URI(text) => *text == name,
        GeneralName::IPAddress(bytes) => name.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => *bytes == address.octets(),
            IpAddr::V6(address) => *bytes == address.octets(),
        }),
        _ => false,
    }
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
