//! The control plane's certificates and keys, made anew for each start.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::Error;

/// A certificate authority, what it signed, and the key that signs service-account tokens.
#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) ca: String,
    pub(crate) server_cert: String,
    pub(crate) server_key: String,
    pub(crate) admin_cert: String,
    pub(crate) admin_key: String,
    pub(crate) token_key: String,
    pub(crate) token_public_key: String,
    /// For the readiness probe: CA, admin certificate and key, as rustls wants them.
    pub(crate) probe_der: (
        CertificateDer<'static>,
        CertificateDer<'static>,
        PrivatePkcs8KeyDer<'static>,
    ),
}

impl Pki {
    /// ECDSA P-256 throughout: made in a moment, and accepted by kube-apiserver for tokens as well.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("pim-testbed-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let server_key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name("kube-apiserver", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = params.signed_by(&server_key, &ca)?;

        let admin_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("testbed-admin", Some("system:masters"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let admin = params.signed_by(&admin_key, &ca)?;

        let token_key = KeyPair::generate()?;
        Ok(Self {
            ca: ca.pem(),
            server_cert: server.pem(),
            server_key: server_key.serialize_pem(),
            admin_cert: admin.pem(),
            admin_key: admin_key.serialize_pem(),
            token_key: token_key.serialize_pem(),
            token_public_key: token_key.public_key_pem(),
            probe_der: (
                ca.der().clone(),
                admin.der().clone(),
                PrivatePkcs8KeyDer::from(admin_key.serialize_der()),
            ),
        })
    }

    /// A kubeconfig for the administrator, with everything inline.
    pub(crate) fn kubeconfig(&self, url: &str) -> String {
        format!(
            "\
apiVersion: v1
kind: Config
current-context: testbed
contexts:
- name: testbed
  context: {{cluster: testbed, user: testbed-admin}}
clusters:
- name: testbed
  cluster:
    server: {url}
    certificate-authority-data: {}
users:
- name: testbed-admin
  user:
    client-certificate-data: {}
    client-key-data: {}
",
            BASE64.encode(&self.ca),
            BASE64.encode(&self.admin_cert),
            BASE64.encode(&self.admin_key),
        )
    }
}

/// In a client certificate, the common name is the user and the organization the group.
fn name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}
